-- Freezes that ended before a time, the oldest first, from a position on: no snapshot of theirs is left. One that no
-- reading has ended counts from its start.
-- $1 before, $2 whether they go, $3 how many, $4 position: time, $5 position: place of the row
WITH old AS (
    SELECT coalesce(ended_at, started_at) AS at, ctid AS place FROM $schema.count_freezes
    WHERE coalesce(ended_at, started_at) < $1::timestamptz
        AND (coalesce(ended_at, started_at), ctid) > (coalesce($4::timestamptz, '-infinity'), coalesce($5::tid, '(0,0)'))
    ORDER BY coalesce(ended_at, started_at), ctid
    LIMIT $3
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM $schema.count_freezes WHERE ctid = ANY (ARRAY(SELECT place FROM old WHERE $2::boolean))
)
SELECT at, place FROM old ORDER BY at, place
