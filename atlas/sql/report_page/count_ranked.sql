-- Count the videos that have a growth and are not retired.
SELECT count(*) AS number
FROM $schema.video_growth AS growth
WHERE NOT EXISTS (SELECT FROM $schema.videos WHERE id = growth.video_id AND retired_at IS NOT NULL)
