-- Finds channels without any video, in the order of their ids, from a position on. Reads the table of the videos.
-- $1 how many, $2 position: id
SELECT id FROM $schema.channels
WHERE id > coalesce($2::text, '') AND NOT EXISTS (SELECT 1 FROM $schema.videos WHERE videos.channel_id = channels.id)
ORDER BY id
LIMIT $1
