-- In the order of the terms, as every statement that locks several topics. $1 terms
WITH meant AS (
    SELECT id FROM $schema.search_queue WHERE query_term = ANY ($1::text[]) ORDER BY query_term COLLATE "C" FOR UPDATE
)
DELETE FROM $schema.search_queue AS topic USING meant WHERE topic.id = meant.id RETURNING topic.query_term
