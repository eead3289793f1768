-- Select the rows of an export. $1 first seen from this time on, $2 before this time
SELECT id, title, first_seen_at, updated_at FROM $schema.channels
WHERE ($1::timestamptz IS NULL OR first_seen_at >= $1) AND ($2::timestamptz IS NULL OR first_seen_at < $2)
