-- The next channels in the order of their ids, and whether there is a video of each. $1 how many, $2 position: id
SELECT id, EXISTS (SELECT 1 FROM $schema.videos WHERE videos.channel_id = page.id) AS has_videos
FROM (SELECT id FROM $schema.channels WHERE id > coalesce($2::text, '') ORDER BY id LIMIT $1) AS page
ORDER BY id
