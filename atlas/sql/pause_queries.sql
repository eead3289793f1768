-- $1 terms
UPDATE search_queue SET status = 'paused' WHERE query_term = ANY ($1::text[]) RETURNING query_term
