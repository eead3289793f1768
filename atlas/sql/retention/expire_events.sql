-- Events of before a time, the oldest first, from a position on.
-- $1 before, $2 whether they go, $3 how many, $4 position: time, $5 position: id
WITH old AS (
    SELECT at, id FROM $schema.events
    WHERE at < $1::timestamptz
        AND (at, id) > (coalesce($4::timestamptz, '-infinity'), coalesce($5::bigint, 0))
    ORDER BY at, id
    LIMIT $3
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM $schema.events WHERE id = ANY (ARRAY(SELECT id FROM old WHERE $2::boolean))
)
SELECT at, id FROM old ORDER BY at, id
