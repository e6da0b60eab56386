-- People, what they may do for whom, their sessions, and the avtaler that they signed. Times, ids and sortering as before.
-- Texts that come from a browser are kept as their bytes, since PostgreSQL takes no NUL in text.

CREATE TABLE person (
    id TEXT NOT NULL CONSTRAINT person_pk PRIMARY KEY,
    lookup BYTEA NOT NULL CONSTRAINT person_lookup UNIQUE,
    navn TEXT NOT NULL,
    drift BOOLEAN NOT NULL,
    sprak TEXT,
    opprettet BIGINT NOT NULL,
    sist_innlogget BIGINT,
    sortering BYTEA NOT NULL
);

CREATE TABLE rolletildeling (
    person_id TEXT NOT NULL CONSTRAINT rolletildeling_person REFERENCES person (id) ON DELETE CASCADE,
    fiks_org_id TEXT NOT NULL CONSTRAINT rolletildeling_organisasjon REFERENCES organisasjon (id) ON DELETE CASCADE,
    rolle TEXT NOT NULL,
    gitt BIGINT NOT NULL,
    CONSTRAINT rolletildeling_pk PRIMARY KEY (person_id, fiks_org_id)
);
CREATE INDEX rolletildeling_by_organisasjon ON rolletildeling (fiks_org_id);

CREATE TABLE sesjon (
    id TEXT NOT NULL CONSTRAINT sesjon_pk PRIMARY KEY,
    token_hash BYTEA NOT NULL CONSTRAINT sesjon_token UNIQUE,
    person_id TEXT NOT NULL CONSTRAINT sesjon_person REFERENCES person (id) ON DELETE CASCADE,
    issuer TEXT NOT NULL,
    sid TEXT,
    acr TEXT,
    id_token BYTEA,
    logget_inn BIGINT NOT NULL,
    sist_brukt BIGINT NOT NULL
);
CREATE INDEX sesjon_by_person ON sesjon (person_id);
CREATE INDEX sesjon_by_sid ON sesjon (sid);

CREATE TABLE sesjon_verdi (
    sesjon_id TEXT NOT NULL CONSTRAINT sesjon_verdi_sesjon REFERENCES sesjon (id) ON DELETE CASCADE,
    nokkel BYTEA NOT NULL,
    verdi BYTEA NOT NULL,
    satt BIGINT NOT NULL,
    CONSTRAINT sesjon_verdi_pk PRIMARY KEY (sesjon_id, nokkel)
);

CREATE TABLE engangsnokkel (
    sesjon_id TEXT NOT NULL CONSTRAINT engangsnokkel_sesjon REFERENCES sesjon (id) ON DELETE CASCADE,
    nokkel BYTEA NOT NULL,
    CONSTRAINT engangsnokkel_pk PRIMARY KEY (sesjon_id, nokkel)
);

CREATE TABLE avtale_signatur (
    id TEXT NOT NULL CONSTRAINT avtale_signatur_pk PRIMARY KEY,
    fiks_org_id TEXT NOT NULL CONSTRAINT avtale_signatur_organisasjon REFERENCES organisasjon (id),
    versjon TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    dokumentnavn TEXT NOT NULL,
    signert_av TEXT NOT NULL CONSTRAINT avtale_signatur_person REFERENCES person (id),
    signert_navn TEXT NOT NULL,
    acr TEXT,
    tidspunkt BIGINT NOT NULL
);
CREATE INDEX avtale_signatur_by_organisasjon ON avtale_signatur (fiks_org_id, tidspunkt);
