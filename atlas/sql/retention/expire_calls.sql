-- Lock and delete a batch of call counts of the days before a day, the oldest first.
-- $1 before, $2 whether to delete, $3 batch size; continue after: $4 time, $5 ctid of the row
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
