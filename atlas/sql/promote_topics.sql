-- Makes topics claimable whose time has come. $1 schedule time, $2 at most so many
WITH due AS (
    SELECT id FROM $schema.search_queue
    WHERE status = 'waiting' AND due_at <= $1
    ORDER BY due_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
UPDATE $schema.search_queue AS topic SET status = 'active', due_at = NULL
WHERE topic.id = ANY (ARRAY(SELECT id FROM due))
