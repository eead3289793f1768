-- $1 ids, $2 schedule time
WITH stored AS (
    SELECT id FROM $schema.videos WHERE id = ANY ($1::text[]) ORDER BY id FOR UPDATE
)
UPDATE $schema.videos AS video SET archived_at = $2 FROM stored WHERE video.id = stored.id
