-- List queries in the order in which they are searched. $1 limit
SELECT id, query_term, coalesce(display_term, query_term) AS display_term, status, priority, source, mentions,
    last_searched_at, due_at, searches, results, page, leased_until > now() AS leased, leased_by
FROM $schema.search_queue
ORDER BY status = 'paused', status = 'waiting', priority DESC, last_searched_at NULLS FIRST, id
LIMIT $1
