-- What may not be kept as long as the counts goes; the video is asked for again like one that was never enriched.
-- $1 ids
UPDATE $schema.videos SET
    channel_id = NULL, title = NULL, published_at = NULL, tags = NULL, category_id = NULL, duration = NULL,
    enriched_at = NULL, archived_at = NULL
WHERE id = ANY ($1::text[])
