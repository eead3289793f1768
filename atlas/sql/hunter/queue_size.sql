-- Count queries up to a limit, so that the cost is bounded. $1 limit
SELECT count(*) AS size FROM (SELECT 1 FROM $schema.search_queue LIMIT $1) AS bounded
