-- Delete queries, locked in the order of the terms. Joined by the term: another transaction may give the row a new id
-- while this one waits for its lock. $1 terms
WITH meant AS (
    SELECT query_term FROM $schema.search_queue WHERE query_term = ANY ($1::text[]) ORDER BY query_term COLLATE "C" FOR UPDATE
)
DELETE FROM $schema.search_queue AS topic USING meant WHERE topic.query_term = meant.query_term RETURNING topic.query_term
