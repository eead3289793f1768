-- What the tables hold of videos and channels. $1 videos, $2 channels
SELECT
    (SELECT count(*) FROM $schema.videos WHERE id = ANY ($1::text[]))
        + (SELECT count(*) FROM $schema.videos WHERE channel_id = ANY ($2::text[]) AND id <> ALL ($1::text[])) AS videos,
    (SELECT count(*) FROM $schema.video_stats_log WHERE video_id = ANY ($1::text[])) AS video_stats_log,
    (SELECT count(*) FROM $schema.channels WHERE id = ANY ($2::text[])) AS channels
