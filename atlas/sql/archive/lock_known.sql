-- Locks rows in the order of their keys and says what is known of each. $1 ids
SELECT id, enriched_at, retired_at FROM $schema.videos WHERE id = ANY ($1::text[]) ORDER BY id FOR UPDATE
