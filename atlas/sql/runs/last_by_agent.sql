-- Select the rows of each agent's last workflow run or, of a process without one, its last row, by agent and start. Only the
-- latest rows are candidates, so that the cost is bounded. $1 candidates
WITH recent AS (
    SELECT id, run_id, agent, started_at FROM $schema.runs ORDER BY started_at DESC LIMIT $1::bigint
), last AS (
    SELECT DISTINCT ON (agent) agent, run_id, id FROM recent ORDER BY agent, started_at DESC
)
SELECT runs.id::text AS id, runs.run_id, runs.wave, runs.agent, runs.shard, runs.started_at, runs.finished_at, runs.outcome,
    runs.exit_code, runs.stats, runs.error, runs.url
FROM last
JOIN recent ON recent.agent = last.agent AND (recent.run_id = last.run_id OR recent.id = last.id)
JOIN $schema.runs ON runs.id = recent.id
ORDER BY runs.agent, runs.started_at
