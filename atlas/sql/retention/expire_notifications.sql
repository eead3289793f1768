-- What people were told before a time, the oldest first, from a position on.
-- $1 before, $2 whether they go, $3 how many, $4 position: time, $5 position: place of the row
WITH old AS (
    SELECT told_at, ctid AS place FROM $schema.notifications
    WHERE told_at < $1::timestamptz
        AND (told_at, ctid) > (coalesce($4::timestamptz, '-infinity'), coalesce($5::tid, '(0,0)'))
    ORDER BY told_at, ctid
    LIMIT $3
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM $schema.notifications WHERE ctid = ANY (ARRAY(SELECT place FROM old WHERE $2::boolean))
)
SELECT told_at, place FROM old ORDER BY told_at, place
