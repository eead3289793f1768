-- List the latest runs, the newest first; `number` counts all. Their times are real. $1 started from this real time on,
-- $2 limit
SELECT started_at, finished_at, agent, shard, wave, outcome, stats, left(error, 1000) AS error, url,
    count(*) OVER () AS number
FROM $schema.runs
WHERE started_at >= $1::timestamptz
ORDER BY started_at DESC, id
LIMIT $2::bigint
