-- How far the queue log was seen to have come, and when: a log that has come less far was put back to an earlier state. ko_avgjort is
-- when it was last decided what the log holds (milliseconds since 1970), ko_steg the number of its last step since, ko_sett when that
-- was noted (milliseconds since 1970). Nobody has noted anything where they are null.
ALTER TABLE installasjon ADD COLUMN ko_avgjort BIGINT;
ALTER TABLE installasjon ADD COLUMN ko_steg BIGINT;
ALTER TABLE installasjon ADD COLUMN ko_sett BIGINT;
