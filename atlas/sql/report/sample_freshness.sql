-- Count in a sample of about $1 pages the tracked videos of each zone, those that are due, and those whose promise is broken
-- (due before $4). `factor`: how many videos each of the sample stands for. $1 pages, $2 schedule time, $3 zones, $4 times
WITH share AS (
    SELECT least(100, $1::float8 * 100 * current_setting('block_size')::float8
        / greatest(pg_relation_size('$schema.videos'), 1)) AS percent
)
SELECT videos.zone, 100 / (SELECT percent FROM share) AS factor, count(*) AS tracked,
    count(*) FILTER (WHERE due_at <= $2::timestamptz) AS due,
    count(*) FILTER (WHERE due_at < promised.broken_before) AS late
FROM $schema.videos TABLESAMPLE SYSTEM ((SELECT percent FROM share))
JOIN unnest($3::smallint[], $4::timestamptz[]) AS promised (zone, broken_before) ON promised.zone = videos.zone
WHERE due_at IS NOT NULL
GROUP BY videos.zone
