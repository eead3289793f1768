-- Rows of processes that began before a time, the oldest first, from a position on.
-- $1 before, $2 whether they go, $3 how many, $4 position: time, $5 position: id
WITH old AS (
    SELECT started_at, id FROM $schema.runs
    WHERE started_at < $1::timestamptz
        AND (started_at, id)
            > (coalesce($4::timestamptz, '-infinity'), coalesce($5::uuid, '00000000-0000-0000-0000-000000000000'))
    ORDER BY started_at, id
    LIMIT $3
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM $schema.runs WHERE id = ANY (ARRAY(SELECT id FROM old WHERE $2::boolean))
)
SELECT started_at, id FROM old ORDER BY started_at, id
