-- Count the shards of a wave that churned, up to the limit; for a shard that was run again, its last row counts. $1 run id,
-- $2 wave, $3 agent, $4 limit
SELECT count(*) AS churned FROM (
    SELECT FROM (
        SELECT DISTINCT ON (shard) outcome FROM $schema.runs WHERE run_id = $1 AND wave = $2 AND agent = $3
        ORDER BY shard, started_at DESC
    ) AS latest WHERE outcome = 'churn' LIMIT $4::bigint
) AS bounded
