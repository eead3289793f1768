-- Find a batch of channels without any video, in the order of their ids. Reads the whole table of videos.
-- $1 batch size; continue after: $2 id
SELECT id FROM $schema.channels
WHERE id > coalesce($2::text, '') AND NOT EXISTS (SELECT 1 FROM $schema.videos WHERE videos.channel_id = channels.id)
ORDER BY id
LIMIT $1
