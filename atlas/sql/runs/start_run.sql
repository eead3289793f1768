-- Write the row of a run and the event of its start.
WITH begun AS (
    INSERT INTO $schema.runs (id, agent, shard, run_id, wave, url, started_at, clock)
    VALUES (:id, :agent, :shard, :run_id, :wave, :url, :started_at, :clock)
    ON CONFLICT DO NOTHING
    RETURNING id
)
INSERT INTO $schema.events (at, type, run, payload) SELECT :at, :type, id, :payload FROM begun
