-- Days since an agent last came to its end, by the database's clock; a dry run and one that was cut short do not count.
-- A refused run (exit code 2) ends them, so that the bound does not grow until a run is confirmed. NULL: never. $1 agent
WITH good AS (
    SELECT max(started_at) AS started_at FROM $schema.runs
    WHERE agent = $1 AND outcome IN ('ok', 'idle') AND stats -> 'dry_run' IS DISTINCT FROM 'true'::jsonb
        AND stats -> 'cut_short' IS DISTINCT FROM 'true'::jsonb
), refused AS (
    SELECT min(runs.started_at) AS started_at FROM $schema.runs, good
    WHERE agent = $1 AND exit_code = 2 AND runs.started_at > good.started_at
)
SELECT extract(epoch FROM coalesce(refused.started_at, now()) - good.started_at)::float8 / 86400 AS days
FROM good, refused
