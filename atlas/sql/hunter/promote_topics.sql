-- Makes topics claimable whose time has come. Along the index in its order, whatever is due: see claim_videos. (A bitmap
-- would also meet again, each time, all entries that are dead since the last vacuum: a walk marks them.)
-- $1 schedule time, $2 at most so many
WITH due AS (
    SELECT id FROM $schema.search_queue
    WHERE status = 'waiting' AND due_at >= '-infinity' AND due_at <= (SELECT $1::timestamptz)
    ORDER BY due_at
    LIMIT (SELECT $2::bigint)
    FOR UPDATE SKIP LOCKED
)
UPDATE $schema.search_queue AS topic SET status = 'active', due_at = NULL
WHERE topic.id = ANY (ARRAY(SELECT id FROM due))
