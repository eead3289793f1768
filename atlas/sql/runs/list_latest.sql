-- List the latest runs, the newest first. $1 limit
SELECT id::text AS id, run_id, wave, agent, shard, started_at, finished_at, outcome, exit_code, stats, error, url
FROM $schema.runs ORDER BY started_at DESC, id LIMIT $1::bigint
