-- Return the days since the last complete run of an agent, by the database's clock; NULL: there was none. Dry runs and runs
-- that were cut short do not count. The days end at a refused run (exit code 2), so that the bound does not grow until a
-- run is confirmed. A gap without any run counts at most $2, since a clock that is days ahead looks the same.
-- $1 agent, $2 longest gap
WITH good AS (
    SELECT max(started_at) AS started_at FROM $schema.runs
    WHERE agent = $1 AND outcome IN ('ok', 'idle') AND stats -> 'dry_run' IS DISTINCT FROM 'true'::jsonb
        AND stats -> 'cut_short' IS DISTINCT FROM 'true'::jsonb
), refused AS (
    SELECT min(runs.started_at) AS started_at FROM $schema.runs, good
    WHERE agent = $1 AND exit_code = 2 AND runs.started_at > good.started_at
), span AS (
    SELECT good.started_at AS begun, coalesce(refused.started_at, now()) AS ended FROM good, refused
), moments AS (
    SELECT begun AS at FROM span
    UNION ALL SELECT started_at FROM $schema.runs, span WHERE started_at > begun AND started_at < ended
    UNION ALL SELECT ended FROM span WHERE ended > begun
), gaps AS (
    SELECT at - lag(at) OVER (ORDER BY at) AS gap FROM moments
)
SELECT CASE WHEN span.begun IS NOT NULL THEN
    (SELECT coalesce(sum(extract(epoch FROM least(gap, $2::interval))), 0)::float8 / 86400 FROM gaps WHERE gap IS NOT NULL)
    END AS days
FROM span
