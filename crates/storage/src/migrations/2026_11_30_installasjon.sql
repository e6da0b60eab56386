-- Which installation this registry belongs to. The queue log, the payload store and the key of the passwords carry the same
-- id; nokkelprove is a keyed hash of it that tells whether the key is the right one.
CREATE TABLE installasjon (
    id INTEGER CONSTRAINT installasjon_pk PRIMARY KEY CONSTRAINT installasjon_one_row CHECK (id = 1),
    installasjon_id TEXT NOT NULL,
    nokkelprove BYTEA NOT NULL
);

-- Queues whose Konto was removed, until they are removed, too. Without references: the Konto is gone.
CREATE TABLE fjernet_ko (
    konto_id TEXT NOT NULL CONSTRAINT fjernet_ko_pk PRIMARY KEY,
    fjernet BIGINT NOT NULL
);

-- Queues that hold something and whose Konto the registry does not know, as the last start found them.
CREATE TABLE ko_satt_til_side (
    konto_id TEXT NOT NULL CONSTRAINT ko_satt_til_side_pk PRIMARY KEY,
    meldinger BIGINT NOT NULL,
    uleverte BIGINT NOT NULL
);
