-- Queries by status, counted no further than the limit each; 'leased' are those of the active ones that a shard holds.
-- $1 limit
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
