-- List the processes of a workflow run, or the one process of an id, the newest first. $1 id of a workflow run, $2 lowest and
-- $3 highest id of a process (NULL: none), $4 limit
SELECT id::text AS id, run_id, wave, agent, shard, started_at, finished_at, outcome, exit_code, stats, error, url
FROM $schema.runs WHERE run_id = $1::text OR id BETWEEN $2::uuid AND $3::uuid
ORDER BY started_at DESC, id LIMIT $4::bigint
