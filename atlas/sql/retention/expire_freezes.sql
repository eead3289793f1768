-- Lock and delete a batch of freezes that ended before a time, the oldest first: their snapshots are deleted. A freeze
-- that has not ended counts from its start.
-- $1 before, $2 whether to delete, $3 batch size; continue after: $4 time, $5 ctid of the row
WITH expired AS (
    SELECT coalesce(ended_at, started_at) AS at, ctid AS place FROM $schema.count_freezes
    WHERE coalesce(ended_at, started_at) < $1::timestamptz
        AND (coalesce(ended_at, started_at), ctid) > (coalesce($4::timestamptz, '-infinity'), coalesce($5::tid, '(0,0)'))
    ORDER BY coalesce(ended_at, started_at), ctid
    LIMIT $3
    FOR UPDATE SKIP LOCKED
), deleted AS (
    DELETE FROM $schema.count_freezes WHERE ctid = ANY (ARRAY(SELECT place FROM expired WHERE $2::boolean))
)
SELECT at, place FROM expired ORDER BY at, place
