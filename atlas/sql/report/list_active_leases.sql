-- Rows that shards lease now, by shard. Reads both tables whole.
SELECT leased_by AS shard, count(*) AS leased
FROM (
    SELECT leased_by FROM $schema.videos WHERE leased_until >= now() UNION ALL
    SELECT leased_by FROM $schema.search_queue WHERE leased_until >= now()
) AS leases
GROUP BY leased_by
ORDER BY leased_by
