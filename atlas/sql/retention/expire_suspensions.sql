-- Suspensions that ended before a time, the oldest first, from a position on.
-- $1 before, $2 whether they go, $3 how many, $4 position: time, $5 position: place of the row
WITH old AS (
    SELECT suspended_until, ctid AS place FROM $schema.key_suspensions
    WHERE suspended_until < $1::timestamptz
        AND (suspended_until, ctid) > (coalesce($4::timestamptz, '-infinity'), coalesce($5::tid, '(0,0)'))
    ORDER BY suspended_until, ctid
    LIMIT $3
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM $schema.key_suspensions WHERE ctid = ANY (ARRAY(SELECT place FROM old WHERE $2::boolean))
)
SELECT suspended_until, place FROM old ORDER BY suspended_until, place
