-- Lock videos in the order of their keys; return when each was enriched and retired. $1 ids
SELECT id, enriched_at, retired_at FROM $schema.videos WHERE id = ANY ($1::text[]) ORDER BY id FOR UPDATE
