-- Set when videos were archived; return those that have a row. $1 ids, $2 times (schedule clock)
WITH input AS (
    SELECT * FROM unnest($1::text[], $2::timestamptz[]) AS video (id, archived_at)
), stored AS (
    SELECT videos.id, input.archived_at FROM $schema.videos JOIN input ON input.id = videos.id
    ORDER BY videos.id
    FOR UPDATE OF videos
)
UPDATE $schema.videos AS video SET archived_at = stored.archived_at FROM stored WHERE video.id = stored.id
RETURNING video.id
