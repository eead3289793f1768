-- Pause queries, locked in the order of the terms. Joined by the term: another transaction may give the row a new id
-- while this one waits for its lock. $1 terms
WITH meant AS (
    SELECT query_term FROM $schema.search_queue WHERE query_term = ANY ($1::text[]) ORDER BY query_term COLLATE "C" FOR UPDATE
)
UPDATE $schema.search_queue AS topic SET status = 'paused' FROM meant WHERE topic.query_term = meant.query_term RETURNING topic.query_term
