-- Clear the metadata, whose retention is shorter than that of counts; the Hunter then enriches the video again.
-- $1 ids
UPDATE $schema.videos SET
    channel_id = NULL, title = NULL, published_at = NULL, tags = NULL, category_id = NULL, duration = NULL,
    enriched_at = NULL, archived_at = NULL
WHERE id = ANY ($1::text[])
