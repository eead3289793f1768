-- Shards of a wave that met a rate limit, counted no further than the limit. $1 run's id, $2 wave, $3 agent, $4 limit
SELECT count(*) AS churned FROM (
    SELECT 1 FROM $schema.runs WHERE run_id = $1 AND wave = $2 AND agent = $3 AND outcome = 'churn' LIMIT $4::bigint
) AS bounded
