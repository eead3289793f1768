-- Count the runs that started from this real time on by outcome; NULL: running or killed. $1 real time, $2 from this real time
-- on a run may still be running
SELECT coalesce(outcome, CASE WHEN started_at >= $2::timestamptz THEN 'running' ELSE 'killed' END) AS outcome,
    count(*) AS amount
FROM $schema.runs WHERE started_at >= $1::timestamptz
GROUP BY 1
