-- Count the runs that started since a time, and return when the last one ended, by agent and outcome. Without an outcome:
-- not ended, or killed. $1 real time
SELECT agent, outcome, count(*) FILTER (WHERE started_at >= $1::timestamptz) AS recent, max(finished_at) AS last
FROM $schema.runs
GROUP BY agent, outcome
ORDER BY agent, outcome
