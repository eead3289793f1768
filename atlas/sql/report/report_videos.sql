-- Count the tracked videos of each zone, and those of them that are due and not leased; each count stops at the limit.
-- $1 limit, $2 schedule time
SELECT zone.number AS zone, tracked.amount AS tracked, due.amount AS due
FROM (VALUES (1::smallint), (2::smallint), (3::smallint)) AS zone (number)
CROSS JOIN LATERAL (
    SELECT count(*) AS amount
    FROM (SELECT 1 FROM $schema.videos WHERE videos.zone = zone.number AND due_at IS NOT NULL LIMIT $1::bigint) AS bounded
) AS tracked
CROSS JOIN LATERAL (
    SELECT count(*) AS amount
    FROM (
        SELECT 1 FROM $schema.videos
        WHERE videos.zone = zone.number AND due_at <= $2::timestamptz AND (leased_until IS NULL OR leased_until < now())
        LIMIT $1::bigint
    ) AS bounded
) AS due
ORDER BY zone.number
