-- Count queries by status, each up to the limit; 'leased' counts the active ones that a shard has claimed. $1 limit
SELECT status.name AS status, counted.amount
FROM (VALUES ('active'), ('waiting'), ('paused')) AS status (name)
CROSS JOIN LATERAL (
    SELECT count(*) AS amount
    FROM (SELECT 1 FROM $schema.search_queue WHERE search_queue.status = status.name LIMIT $1::bigint) AS bounded
) AS counted
UNION ALL
SELECT 'leased', count(*)
FROM (
    SELECT 1 FROM $schema.search_queue WHERE search_queue.status = 'active' AND leased_until >= now() LIMIT $1::bigint
) AS bounded
