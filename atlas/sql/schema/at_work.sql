-- Return the process id of this session, and which of the process ids $1 run a statement.
SELECT
    pg_catalog.pg_backend_pid() AS own_pid,
    ARRAY(
        SELECT pid FROM pg_catalog.pg_stat_activity
        WHERE pid = ANY ($1::int[]) AND coalesce(state, '') NOT LIKE 'idle%'
    ) AS busy
