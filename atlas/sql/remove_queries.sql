-- $1 terms
DELETE FROM search_queue WHERE query_term = ANY ($1::text[]) RETURNING query_term
