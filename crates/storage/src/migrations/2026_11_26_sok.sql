-- Searches for kontoer read nothing but this index: it holds what is searched in, sorted by and told.
DROP INDEX konto_by_sok;
CREATE INDEX konto_by_sok ON konto (system_id, sok, sortering, id);
-- Most systemer are offentlige, so nobody is helped by it.
DROP INDEX system_by_offentlig;
