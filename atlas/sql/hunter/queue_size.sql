-- Count queries up to a limit. $1 limit
SELECT count(*) AS size FROM (SELECT 1 FROM $schema.search_queue LIMIT $1) AS bounded
