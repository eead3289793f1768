-- Select the terms that have a row. $1 terms
SELECT query_term FROM $schema.search_queue WHERE query_term = ANY ($1::text[])
