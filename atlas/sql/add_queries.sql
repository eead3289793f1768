-- Queries of the user's: above any tag; a known one is raised and, if paused, resumed. $1 terms, $2 priority, $3 schedule time
INSERT INTO $schema.search_queue (query_term, priority, source, added_at)
SELECT term, $2, 'user', $3 FROM unnest($1::text[]) AS query (term)
ORDER BY term COLLATE "C"
ON CONFLICT (query_term) DO UPDATE SET
    priority = excluded.priority, source = 'user',
    status = CASE WHEN search_queue.status = 'paused' THEN 'active' ELSE search_queue.status END
RETURNING xmax = 0 AS created
