-- The server's process that answers, and which of the processes $1 are at work on a statement
SELECT
    pg_catalog.pg_backend_pid() AS asked,
    ARRAY(
        SELECT pid FROM pg_catalog.pg_stat_activity
        WHERE pid = ANY ($1::int[]) AND coalesce(state, '') NOT LIKE 'idle%'
    ) AS at_work
