-- Locks and deletes call counts of the days before a day, the oldest first, from a position on.
-- $1 before, $2 whether to delete, $3 how many, $4 position: time, $5 position: place of the row
WITH expired AS (
    SELECT day, ctid AS place FROM $schema.api_calls
    WHERE day < $1::date
        AND (day, ctid) > (coalesce($4::date, '-infinity'), coalesce($5::tid, '(0,0)'))
    ORDER BY day, ctid
    LIMIT $3
    FOR UPDATE SKIP LOCKED
), deleted AS (
    DELETE FROM $schema.api_calls WHERE ctid = ANY (ARRAY(SELECT place FROM expired WHERE $2::boolean))
)
SELECT day, place FROM expired ORDER BY day, place
