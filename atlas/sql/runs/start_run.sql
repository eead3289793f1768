-- The row of a process and the event of its start.
-- $1 id, $2 agent, $3 shard, $4 run's id, $5 wave, $6 started, $7 schedule time, $8 type of the event, $9 its payload, $10 clock
WITH begun AS (
    INSERT INTO $schema.runs (id, agent, shard, run_id, wave, started_at, clock) VALUES ($1, $2, $3, $4, $5, $6, $10)
    ON CONFLICT DO NOTHING
    RETURNING id
)
INSERT INTO $schema.events (at, type, run, payload) SELECT $7, $8, id, $9 FROM begun
