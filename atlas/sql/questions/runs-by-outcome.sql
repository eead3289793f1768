-- How did the runs of each agent end? In the 7 days before the newest run, with their median duration.
SELECT agent, coalesce(outcome, 'running or killed') AS outcome, count(*) AS runs,
    round(percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - started_at))) AS median_seconds,
    max(started_at) AS last_started_at
FROM $schema.runs
WHERE started_at >= (SELECT max(started_at) FROM $schema.runs) - interval '7 days'
GROUP BY agent, outcome
ORDER BY agent, runs DESC
