-- List the views that exist: the comment of each, whether it is a continuous aggregate, and whether it reads the
-- current video_stats_log (a view stays on the old table when another one takes its place).
SELECT wanted.name, obj_description(wanted.view, 'pg_class') AS comment,
    bool_or(read.relname LIKE '\_materialized\_hypertable\_%') AS continuous,
    bool_or(read.oid = to_regclass('$schema.video_stats_log')) AS reads_log
FROM (VALUES
    ('video_velocity', to_regclass('$schema.video_velocity')),
    ('video_stats_hourly', to_regclass('$schema.video_stats_hourly')),
    ('video_stats_daily', to_regclass('$schema.video_stats_daily'))
) AS wanted (name, view)
JOIN pg_rewrite ON pg_rewrite.ev_class = wanted.view
JOIN pg_depend ON pg_depend.objid = pg_rewrite.oid AND pg_depend.classid = 'pg_rewrite'::regclass
JOIN pg_class AS read ON read.oid = pg_depend.refobjid AND pg_depend.refclassid = 'pg_class'::regclass
GROUP BY wanted.name, wanted.view
