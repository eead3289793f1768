-- List the events from a time on, oldest first. $1 schedule time, $2 types, $3 limit
SELECT type, payload FROM $schema.events WHERE at >= $1 AND type = ANY ($2::text[]) ORDER BY at, id LIMIT $3
