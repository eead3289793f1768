-- Mark videos as not archived, so that a later run archives them again; not those archived at $2 or later.
-- $1 ids, $2 schedule time
WITH stored AS (
    SELECT id FROM $schema.videos WHERE id = ANY ($1::text[]) AND archived_at < $2 ORDER BY id FOR UPDATE
)
UPDATE $schema.videos AS video SET archived_at = NULL FROM stored WHERE video.id = stored.id
RETURNING video.id
