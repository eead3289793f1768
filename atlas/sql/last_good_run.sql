-- Days since an agent last came to its end, by the database's clock; a dry run does not count. NULL: never. $1 agent
SELECT extract(epoch FROM now() - max(started_at))::float8 / 86400 AS days
FROM $schema.runs
WHERE agent = $1 AND outcome IN ('ok', 'idle') AND stats -> 'dry_run' IS DISTINCT FROM 'true'::jsonb
