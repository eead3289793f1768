-- Count the rows of each table up to the limit, and return the estimate of the server's statistics (for a partitioned
-- table or hypertable the sum over its parts, since its own estimate counts them again). $1 limit
WITH counted (name, counted) AS (
    SELECT 'videos', count(*) FROM (SELECT 1 FROM $schema.videos LIMIT $1::bigint) AS bounded UNION ALL
    SELECT 'video_stats_log', count(*) FROM (SELECT 1 FROM $schema.video_stats_log LIMIT $1::bigint) AS bounded UNION ALL
    SELECT 'channels', count(*) FROM (SELECT 1 FROM $schema.channels LIMIT $1::bigint) AS bounded UNION ALL
    SELECT 'search_queue', count(*) FROM (SELECT 1 FROM $schema.search_queue LIMIT $1::bigint) AS bounded UNION ALL
    SELECT 'events', count(*) FROM (SELECT 1 FROM $schema.events LIMIT $1::bigint) AS bounded UNION ALL
    SELECT 'runs', count(*) FROM (SELECT 1 FROM $schema.runs LIMIT $1::bigint) AS bounded
)
SELECT counted.name, counted.counted, coalesce(sum(greatest(part.reltuples, 0)), 0)::bigint AS estimated
FROM counted
LEFT JOIN LATERAL (
    SELECT to_regclass(format('$schema.%I', counted.name))::oid AS oid UNION ALL
    SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass(format('$schema.%I', counted.name))
) AS member ON true
LEFT JOIN pg_class AS part ON part.oid = member.oid AND NOT part.relhassubclass
GROUP BY counted.name, counted.counted
