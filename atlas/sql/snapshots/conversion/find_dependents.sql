-- List what depends on the snapshots and would be lost with their table: views and foreign keys of others, triggers,
-- policies and publications.
SELECT DISTINCT kind || ' ' || name AS dependent
FROM (
    SELECT CASE relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END, pg_class.oid::regclass::text
    FROM pg_depend
    JOIN pg_rewrite ON classid = 'pg_rewrite'::regclass AND objid = pg_rewrite.oid
    JOIN pg_class ON pg_class.oid = ev_class
    WHERE refclassid = 'pg_class'::regclass AND refobjid = '$schema.video_stats_log'::regclass
        AND NOT (relname IN ('video_velocity', 'video_stats_hourly', 'video_stats_daily')
            AND relnamespace = '$schema'::regnamespace)
    UNION ALL
    SELECT 'foreign key', conname FROM pg_constraint
    WHERE contype = 'f' AND '$schema.video_stats_log'::regclass IN (conrelid, confrelid)
    UNION ALL
    SELECT 'trigger', tgname FROM pg_trigger WHERE tgrelid = '$schema.video_stats_log'::regclass AND NOT tgisinternal
    UNION ALL
    SELECT 'policy', polname FROM pg_policy WHERE polrelid = '$schema.video_stats_log'::regclass
    UNION ALL
    SELECT 'publication', pubname FROM pg_publication_rel JOIN pg_publication ON pg_publication.oid = prpubid
    WHERE prrelid = '$schema.video_stats_log'::regclass
) AS found (kind, name)
ORDER BY dependent
