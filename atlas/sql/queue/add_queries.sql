-- Add a user's queries, above any tag; a known one is raised and, if paused, resumed. Its rank never falls, and its
-- latest spelling is stored. Written in the order of the terms, so that two commands cannot deadlock. `unsearched`: the
-- query was never searched and is not leased, so that its id determines its place in its rank. $1 terms, $2 spellings, $3 priority, $4 schedule time
INSERT INTO $schema.search_queue (query_term, display_term, priority, source, added_at)
SELECT term, spelling, $3, 'user', $4 FROM unnest($1::text[], $2::text[]) AS query (term, spelling)
ORDER BY term COLLATE "C"
ON CONFLICT (query_term) DO UPDATE SET
    display_term = excluded.display_term, priority = greatest(search_queue.priority, excluded.priority),
    source = 'user', status = CASE WHEN search_queue.status = 'paused' THEN 'active' ELSE search_queue.status END
RETURNING query_term, id, xmax = 0 AS created,
    last_searched_at IS NULL AND (leased_until IS NULL OR leased_until < now()) AS unsearched
