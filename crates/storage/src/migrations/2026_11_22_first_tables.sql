-- Times: milliseconds since 1970 in UTC. Ids: UUIDs as text. sok and sortering: computed from navn and beskrivelse.

-- Counts changes, for processes that keep facts. Its only row is also what units of work that write queue up for.
CREATE TABLE generation (
    id INTEGER CONSTRAINT generation_pk PRIMARY KEY CONSTRAINT generation_one_row CHECK (id = 1),
    value BIGINT NOT NULL
);
INSERT INTO generation (id, value) VALUES (1, 1);

CREATE TABLE organisasjon (
    id TEXT NOT NULL CONSTRAINT organisasjon_pk PRIMARY KEY,
    navn TEXT NOT NULL,
    orgnummer TEXT NOT NULL CONSTRAINT organisasjon_orgnummer UNIQUE,
    kommunenummer TEXT,
    tatt_i_bruk BIGINT,
    sortering BYTEA NOT NULL
);

CREATE TABLE system (
    id TEXT NOT NULL CONSTRAINT system_pk PRIMARY KEY,
    fiks_org_id TEXT NOT NULL CONSTRAINT system_organisasjon REFERENCES organisasjon (id),
    navn TEXT NOT NULL,
    beskrivelse TEXT NOT NULL,
    eposter TEXT NOT NULL,
    offentlig BOOLEAN NOT NULL,
    automatisk_godkjenning BOOLEAN NOT NULL,
    leverandor_navn TEXT,
    leverandor_kontaktpunkt TEXT,
    konfigureres_av_integrasjon BOOLEAN NOT NULL,
    opprettet BIGINT NOT NULL,
    sist_endret BIGINT NOT NULL,
    sok TEXT NOT NULL,
    sortering BYTEA NOT NULL
);
CREATE INDEX system_by_organisasjon ON system (fiks_org_id, sortering);
CREATE INDEX system_by_navn ON system (sortering, id);

CREATE TABLE integrasjon (
    id TEXT NOT NULL CONSTRAINT integrasjon_pk PRIMARY KEY,
    system_id TEXT NOT NULL CONSTRAINT integrasjon_system REFERENCES system (id) ON DELETE CASCADE,
    orgnummer TEXT NOT NULL,
    gyldig_fra BIGINT NOT NULL,
    utlops_dato BIGINT,
    primer BOOLEAN NOT NULL,
    passord_hash BYTEA NOT NULL
);
CREATE INDEX integrasjon_by_system ON integrasjon (system_id);
CREATE UNIQUE INDEX integrasjon_one_primer ON integrasjon (system_id) WHERE primer;

CREATE TABLE konto (
    id TEXT NOT NULL CONSTRAINT konto_pk PRIMARY KEY,
    system_id TEXT NOT NULL CONSTRAINT konto_system REFERENCES system (id) ON DELETE CASCADE,
    navn TEXT NOT NULL,
    beskrivelse TEXT NOT NULL,
    protokoll_navn TEXT NOT NULL,
    send_meldinger_deaktivert BOOLEAN NOT NULL,
    opprettet BIGINT NOT NULL,
    sist_endret BIGINT NOT NULL,
    sok TEXT NOT NULL,
    sortering BYTEA NOT NULL
);
CREATE INDEX konto_by_system ON konto (system_id, sortering);
CREATE INDEX konto_by_navn ON konto (sortering, id);

CREATE TABLE konto_part (
    konto_id TEXT NOT NULL CONSTRAINT konto_part_konto REFERENCES konto (id) ON DELETE CASCADE,
    posisjon INTEGER NOT NULL,
    versjon TEXT NOT NULL,
    navn TEXT NOT NULL,
    CONSTRAINT konto_part_pk PRIMARY KEY (konto_id, posisjon),
    CONSTRAINT konto_part_once UNIQUE (konto_id, versjon, navn)
);

CREATE TABLE offentlig_nokkel (
    konto_id TEXT NOT NULL CONSTRAINT offentlig_nokkel_konto REFERENCES konto (id) ON DELETE CASCADE,
    lopenummer INTEGER NOT NULL,
    gjeldende BOOLEAN NOT NULL,
    pem TEXT NOT NULL,
    gyldig_fra BIGINT NOT NULL,
    gyldig_til BIGINT NOT NULL,
    serienummer TEXT NOT NULL,
    utstedt_til TEXT NOT NULL,
    utsteder TEXT NOT NULL,
    fingeravtrykk TEXT NOT NULL,
    opprettet BIGINT NOT NULL,
    CONSTRAINT offentlig_nokkel_pk PRIMARY KEY (konto_id, lopenummer)
);
CREATE UNIQUE INDEX offentlig_nokkel_one_gjeldende ON offentlig_nokkel (konto_id) WHERE gjeldende;

CREATE TABLE tilgang (
    konto_id TEXT NOT NULL CONSTRAINT tilgang_konto REFERENCES konto (id) ON DELETE CASCADE,
    system_id TEXT NOT NULL CONSTRAINT tilgang_system REFERENCES system (id) ON DELETE CASCADE,
    gitt BIGINT NOT NULL,
    CONSTRAINT tilgang_pk PRIMARY KEY (konto_id, system_id)
);
CREATE INDEX tilgang_by_system ON tilgang (system_id);

CREATE TABLE foresporsel (
    konto_id TEXT NOT NULL CONSTRAINT foresporsel_konto REFERENCES konto (id) ON DELETE CASCADE,
    system_id TEXT NOT NULL CONSTRAINT foresporsel_system REFERENCES system (id) ON DELETE CASCADE,
    sendt BIGINT NOT NULL,
    CONSTRAINT foresporsel_pk PRIMARY KEY (konto_id, system_id)
);
CREATE INDEX foresporsel_by_system ON foresporsel (system_id);

CREATE TABLE protokoll (
    navn TEXT NOT NULL,
    versjon TEXT NOT NULL,
    definisjon TEXT NOT NULL,
    CONSTRAINT protokoll_pk PRIMARY KEY (navn, versjon)
);

CREATE TABLE katalog (
    id INTEGER CONSTRAINT katalog_pk PRIMARY KEY CONSTRAINT katalog_one_row CHECK (id = 1),
    fingeravtrykk TEXT NOT NULL
);

-- Without references: a document is cleaned up after its kontoer are gone.
CREATE TABLE dokument (
    id TEXT NOT NULL CONSTRAINT dokument_pk PRIMARY KEY,
    avsender TEXT NOT NULL,
    mottaker TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    opprettet BIGINT NOT NULL,
    utloper BIGINT NOT NULL
);
CREATE INDEX dokument_by_utloper ON dokument (utloper, id);

-- Without references: the log outlives what it tells of.
CREATE TABLE audit_line (
    lopenummer BIGINT NOT NULL CONSTRAINT audit_line_pk PRIMARY KEY,
    id TEXT NOT NULL CONSTRAINT audit_line_id UNIQUE,
    tidspunkt BIGINT NOT NULL,
    hvem TEXT NOT NULL,
    hva TEXT NOT NULL,
    fiks_org_id TEXT,
    system_id TEXT,
    konto_id TEXT,
    detaljer TEXT
);
CREATE INDEX audit_line_by_organisasjon ON audit_line (fiks_org_id, lopenummer);
