-- Count the videos of each zone that a claim would find now. Each count stops at the limit and uses the claim's order, so
-- that its index is read from the start. $1 limit, $2 schedule time
SELECT zone.number AS zone, due.amount AS due
FROM (VALUES (1::smallint), (2::smallint), (3::smallint)) AS zone (number)
CROSS JOIN LATERAL (
    SELECT count(*) AS amount
    FROM (
        SELECT 1 FROM $schema.videos
        WHERE videos.zone = zone.number AND due_at <= $2::timestamptz AND (leased_until IS NULL OR leased_until < now())
        ORDER BY due_at
        LIMIT $1::bigint
    ) AS bounded
) AS due
ORDER BY zone.number
