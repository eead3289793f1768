-- Count the agents' runs by agent and outcome. $1 started from this real time on
SELECT agent, coalesce(outcome, 'unfinished') AS outcome, count(*) AS runs
FROM $schema.runs
WHERE started_at >= $1 AND agent IN ('hunter', 'tracker', 'janitor')
GROUP BY 1, 2
ORDER BY 1, 2
