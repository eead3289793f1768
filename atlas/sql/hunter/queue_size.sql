-- Counts no further than the limit, so that its cost is bounded. $1 limit
SELECT count(*) AS size FROM (SELECT 1 FROM $schema.search_queue LIMIT $1) AS bounded
