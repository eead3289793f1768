-- List the continuous aggregates over the snapshots, the tables with their rows, and what the user may do with these;
-- only where TimescaleDB is installed.
SELECT view_name AS view, materialization_hypertable_schema AS space, materialization_hypertable_name AS kept,
    pg_has_role(view_owner, 'USAGE') AS owned,
    has_table_privilege(format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name), 'DELETE')
        AS deletable
FROM timescaledb_information.continuous_aggregates
WHERE to_regclass(format('%I.%I', view_schema, view_name))
    IN (to_regclass('$schema.video_stats_hourly'), to_regclass('$schema.video_stats_daily'))
ORDER BY view_name DESC
