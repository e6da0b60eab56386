-- What words are looked for in when systemer are searched: the text of a System and of each of its kontoer, a line each, so
-- that one row is read for a System instead of one for each Konto. The program keeps it up to date.
ALTER TABLE system ADD COLUMN sok_med_kontoer TEXT NOT NULL DEFAULT '';
UPDATE system SET sok_med_kontoer = sok || COALESCE((SELECT string_agg('
' || konto.sok, '') FROM konto WHERE konto.system_id = system.id), '');

-- Of its Konto, so that an index alone tells which systemer play a Part.
ALTER TABLE konto_part ADD COLUMN system_id TEXT NOT NULL DEFAULT '';
ALTER TABLE konto_part ADD COLUMN protokoll_navn TEXT NOT NULL DEFAULT '';
UPDATE konto_part SET
    system_id = (SELECT konto.system_id FROM konto WHERE konto.id = konto_part.konto_id),
    protokoll_navn = (SELECT konto.protokoll_navn FROM konto WHERE konto.id = konto_part.konto_id);
CREATE INDEX konto_part_by_part ON konto_part (navn, versjon, protokoll_navn, system_id);
DROP INDEX konto_part_by_navn;
