-- List the runs of a workflow run, the latest first. $1 run id, $2 agent, $3 limit
SELECT wave, shard, started_at, finished_at, outcome, exit_code, stats, error
FROM $schema.runs WHERE run_id = $1 AND agent = $2
ORDER BY started_at DESC LIMIT $3
