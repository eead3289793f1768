-- Locks and deletes freezes that ended before a time, the oldest first, from a position on: no snapshot of them is
-- left. A freeze that no reading has ended counts from its start.
-- $1 before, $2 whether to delete, $3 how many, $4 position: time, $5 position: place of the row
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
