-- Tags that were neither found nor searched for so long; not what a user has added or paused, nor what a shard holds.
-- $1 neither since, $2 whether they go, $3 how many, $4 position: id
WITH old AS (
    SELECT id FROM $schema.search_queue
    WHERE id > coalesce($4::bigint, 0) AND source = 'tag' AND status <> 'paused' AND added_at < $1::timestamptz
        AND (last_searched_at IS NULL OR last_searched_at < $1::timestamptz)
        AND (leased_until IS NULL OR leased_until < now())
    ORDER BY id
    LIMIT $3
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM $schema.search_queue WHERE id = ANY (ARRAY(SELECT id FROM old WHERE $2::boolean))
)
SELECT id FROM old ORDER BY id
