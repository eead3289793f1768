-- $1 first seen from this time on, $2 and before this one
SELECT id, title, first_seen_at, updated_at FROM $schema.channels
WHERE ($1::timestamptz IS NULL OR first_seen_at >= $1) AND ($2::timestamptz IS NULL OR first_seen_at < $2)
