-- Rows that shards hold now, by shard; with $1 only by leases that end after it. Reads both tables whole.
SELECT leased_by AS shard, count(*) AS held
FROM (
    SELECT leased_by FROM $schema.videos WHERE leased_until >= greatest(now(), $1::timestamptz) UNION ALL
    SELECT leased_by FROM $schema.search_queue WHERE leased_until >= greatest(now(), $1::timestamptz)
) AS leased
GROUP BY leased_by
ORDER BY leased_by
