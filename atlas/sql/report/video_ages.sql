-- From when a video's age counts. $1 ids
SELECT id, coalesce(published_at, first_seen_at) AS born FROM $schema.videos WHERE id = ANY ($1::text[])
