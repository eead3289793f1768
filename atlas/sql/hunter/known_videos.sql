-- Select the videos that are stored with their metadata and not retired. $1 ids
SELECT id, published_at FROM $schema.videos WHERE id = ANY ($1::text[]) AND enriched_at IS NOT NULL AND retired_at IS NULL
