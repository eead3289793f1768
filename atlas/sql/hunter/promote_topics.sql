-- Make due topics claimable, in the order of the index: see tracker/claim_videos. (A bitmap scan would read all entries
-- that died since the last vacuum each time; an index scan marks them.) $1 schedule time, $2 limit
WITH due AS (
    SELECT id FROM $schema.search_queue
    WHERE status = 'waiting' AND due_at >= '-infinity' AND due_at <= (SELECT $1::timestamptz)
    ORDER BY due_at
    LIMIT (SELECT $2::bigint)
    FOR UPDATE SKIP LOCKED
)
UPDATE $schema.search_queue AS topic SET status = 'active', due_at = NULL
WHERE topic.id = ANY (ARRAY(SELECT id FROM due))
