-- For lists and searches of people. Those that hold a text are read instead of the table, which is several times larger.

-- As that of system and konto; the ones that are there are given it here, as far as both databases can.
ALTER TABLE organisasjon ADD COLUMN sok TEXT NOT NULL DEFAULT '';
UPDATE organisasjon SET sok = replace(replace(replace(lower(navn), 'Æ', 'æ'), 'Ø', 'ø'), 'Å', 'å');

CREATE INDEX system_by_offentlig ON system (offentlig, fiks_org_id);
CREATE INDEX konto_by_sok ON konto (system_id, sok);
CREATE INDEX konto_by_protokoll ON konto (system_id, protokoll_navn, id);
CREATE INDEX konto_part_by_navn ON konto_part (navn, versjon, konto_id);
CREATE INDEX offentlig_nokkel_tilstand ON offentlig_nokkel (konto_id, gyldig_fra, gyldig_til) WHERE gjeldende;

CREATE INDEX audit_line_by_tidspunkt ON audit_line (tidspunkt);
CREATE INDEX audit_line_of_organisasjon ON audit_line (fiks_org_id, tidspunkt, lopenummer);
CREATE INDEX audit_line_of_system ON audit_line (system_id, tidspunkt, lopenummer);
CREATE INDEX audit_line_of_konto ON audit_line (konto_id, tidspunkt, lopenummer);
