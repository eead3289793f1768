-- Change the ids of queries to the order given: within a rank, never-searched queries are searched by ascending id.
-- The transaction has locked their rows before, in the order of the terms. $1 terms
INSERT INTO $schema.search_queue (query_term, priority, source, added_at)
SELECT term, 0, 'user', now() FROM unnest($1::text[]) WITH ORDINALITY AS query (term, place) ORDER BY place
ON CONFLICT (query_term) DO UPDATE SET id = DEFAULT
RETURNING id
