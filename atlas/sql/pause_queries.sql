-- In the order of the terms, as every statement that locks several topics. $1 terms
WITH meant AS (
    SELECT id FROM $schema.search_queue WHERE query_term = ANY ($1::text[]) ORDER BY query_term COLLATE "C" FOR UPDATE
)
UPDATE $schema.search_queue AS topic SET status = 'paused' FROM meant WHERE topic.id = meant.id RETURNING topic.query_term
