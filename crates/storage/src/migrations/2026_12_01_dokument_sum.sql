-- What was stored, so that it is known whether that is what is read: the checksum of the bytes, beside their number, and the
-- melding that names them. Documents from before have neither.
ALTER TABLE dokument ADD COLUMN sha256 BYTEA;
ALTER TABLE dokument ADD COLUMN melding_id TEXT;
