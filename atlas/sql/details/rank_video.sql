-- Count the videos that grow faster than one, among those of its kind and zone of age that are not retired, and all of
-- these. $1 id
SELECT count(*) FILTER (WHERE growth.views_per_hour > mine.views_per_hour) + 1 AS place, count(*) AS videos
FROM (
    SELECT growth.kind, growth.views_per_hour, videos.zone
    FROM $schema.video_growth AS growth JOIN $schema.videos ON videos.id = growth.video_id
    WHERE growth.video_id = $1 AND videos.retired_at IS NULL
) AS mine
JOIN $schema.video_growth AS growth ON growth.kind = mine.kind
JOIN $schema.videos ON videos.id = growth.video_id AND videos.zone = mine.zone AND videos.retired_at IS NULL
HAVING count(*) > 0
