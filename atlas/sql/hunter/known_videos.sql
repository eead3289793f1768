-- Those of the ids that are stored with their metadata and not thought to be gone. $1 ids
SELECT id, published_at FROM $schema.videos WHERE id = ANY ($1::text[]) AND enriched_at IS NOT NULL AND retired_at IS NULL
