-- Lock and delete a batch of tags that were neither found nor searched since a time; not queries that a user has added or
-- paused, nor leased ones.
-- $1 since, $2 whether to delete, $3 batch size; continue after: $4 id
WITH expired AS (
    SELECT id FROM $schema.search_queue
    WHERE id > coalesce($4::bigint, 0) AND source = 'tag' AND status <> 'paused' AND added_at < $1::timestamptz
        AND (last_searched_at IS NULL OR last_searched_at < $1::timestamptz)
        AND (leased_until IS NULL OR leased_until < now())
    ORDER BY id
    LIMIT $3
    FOR UPDATE SKIP LOCKED
), deleted AS (
    DELETE FROM $schema.search_queue WHERE id = ANY (ARRAY(SELECT id FROM expired WHERE $2::boolean))
)
SELECT id FROM expired ORDER BY id
