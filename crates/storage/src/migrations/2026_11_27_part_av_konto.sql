-- The index tells the Konto, too, so that a search for who plays a Part reads nothing else.
DROP INDEX konto_part_by_part;
CREATE INDEX konto_part_by_part ON konto_part (navn, versjon, protokoll_navn, system_id, konto_id);
