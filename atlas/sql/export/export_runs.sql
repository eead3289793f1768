-- Select the rows of an export. $1 started from this time on, $2 before this time
SELECT id::text AS id, run_id, wave, agent, shard, started_at, finished_at, outcome, exit_code, stats, error
FROM $schema.runs
WHERE ($1::timestamptz IS NULL OR started_at >= $1) AND ($2::timestamptz IS NULL OR started_at < $2)
