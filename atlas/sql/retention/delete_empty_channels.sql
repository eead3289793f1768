-- Delete those of the locked channels that still have no video. A transaction that stores a video waits for the lock, and
-- then stores the channel again. $1 ids
WITH deleted AS (
    DELETE FROM $schema.channels
    WHERE id = ANY ($1::text[]) AND NOT EXISTS (SELECT 1 FROM $schema.videos WHERE videos.channel_id = channels.id)
    RETURNING 1
)
SELECT count(*) AS number FROM deleted
