-- Select the rows of an export. $1 first seen from this time on, $2 before this time. $tags: `list`, or `text` for JSON.
SELECT id, channel_id, title, published_at, $tags AS tags, category_id,
    extract(epoch FROM duration)::float8 AS duration_seconds,
    first_seen_at, last_updated_at, zone, due_at, enriched_at, archived_at, absences, retired_at
FROM (SELECT *, tags AS list, array_to_json(tags) AS text FROM $schema.videos) AS video
WHERE ($1::timestamptz IS NULL OR first_seen_at >= $1) AND ($2::timestamptz IS NULL OR first_seen_at < $2)
