-- Which organisasjoner answer for a document, as sender and as receiver. What they have in Dokumentlager counts until it is removed,
-- and their kontoer may be gone before. It is null where that was so already.
ALTER TABLE dokument ADD COLUMN avsender_org TEXT;
ALTER TABLE dokument ADD COLUMN mottaker_org TEXT;
UPDATE dokument SET
    avsender_org = (
        SELECT system.fiks_org_id FROM konto INNER JOIN system ON system.id = konto.system_id WHERE konto.id = dokument.avsender
    ),
    mottaker_org = (
        SELECT system.fiks_org_id FROM konto INNER JOIN system ON system.id = konto.system_id WHERE konto.id = dokument.mottaker
    );
CREATE INDEX dokument_by_avsender_org ON dokument (avsender_org, size_bytes);
CREATE INDEX dokument_by_mottaker_org ON dokument (mottaker_org, size_bytes);
