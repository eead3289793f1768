-- Find the session, replication slot or prepared transaction with the oldest snapshot: VACUUM cannot remove dead rows that
-- it may still see. A session has one by its snapshot or its transaction id. `hidden` counts the sessions of other users
-- that only members of pg_read_all_stats can inspect. Always returns one row.
WITH holders AS (
    SELECT
        'session' AS kind, pid::text AS name, xact_start AS since,
        greatest(age(backend_xmin), age(backend_xid)) AS transactions, usename::text AS user_name,
        application_name, coalesce(host(client_addr), 'local socket') AS client, state
    FROM pg_stat_activity
    WHERE (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) AND pid <> pg_backend_pid()
        AND backend_type <> 'autovacuum worker' AND (datname = current_database() OR datname IS NULL)
    UNION ALL
    SELECT
        'replication slot', slot_name::text, NULL, age(xmin), NULL, NULL, NULL,
        CASE WHEN active THEN 'active' ELSE 'inactive' END
    FROM pg_replication_slots
    WHERE xmin IS NOT NULL
    UNION ALL
    SELECT 'prepared transaction', gid, prepared, age(transaction), owner::text, NULL, NULL, 'prepared'
    FROM pg_prepared_xacts
    WHERE database = current_database()
)
SELECT
    oldest.*, extract(epoch FROM clock_timestamp() - oldest.since)::float8 AS seconds,
    (SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND query = '<insufficient privilege>') AS hidden,
    current_user::text AS reader
FROM (VALUES (1)) AS one (row)
LEFT JOIN LATERAL (SELECT * FROM holders ORDER BY transactions DESC, since LIMIT 1) AS oldest ON true
