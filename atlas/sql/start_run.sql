-- $1 id, $2 agent, $3 shard, $4 run's id, $5 wave, $6 started
INSERT INTO $schema.runs (id, agent, shard, run_id, wave, started_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING
