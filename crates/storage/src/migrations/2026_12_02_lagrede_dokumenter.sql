-- How many documents were ever added: it grows with each, as value does with each change of anything else. So a copy of the
-- registry from before a document came is known by it. None has been counted where it is null.
ALTER TABLE generation ADD COLUMN lagrede_dokumenter BIGINT;
