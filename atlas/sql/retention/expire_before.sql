-- Lock and delete a batch of rows of one table whose time is before a limit, the oldest first.
-- $1 before, $2 whether to delete, $3 batch size; continue after: $4 time, $5 ctid of the row
WITH expired AS (
    SELECT $time AS at, ctid AS place FROM $schema.$table
    WHERE $time < $1::timestamptz
        AND $time >= coalesce($4::timestamptz, '-infinity')
        AND ($time, ctid) > (coalesce($4::timestamptz, '-infinity'), coalesce($5::tid, '(0,0)'))
    ORDER BY $time, ctid
    LIMIT $3
    FOR UPDATE SKIP LOCKED
), deleted AS (
    DELETE FROM $schema.$table WHERE ctid = ANY (ARRAY(SELECT place FROM expired WHERE $2::boolean))
)
SELECT at, place FROM expired ORDER BY at, place
