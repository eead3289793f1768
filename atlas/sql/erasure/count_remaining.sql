-- Count the rows of videos and channels in each table. $1 videos, $2 channels
SELECT
    (SELECT count(*) FROM $schema.videos WHERE id = ANY ($1::text[]))
        + (SELECT count(*) FROM $schema.videos WHERE channel_id = ANY ($2::text[]) AND id <> ALL ($1::text[])) AS videos,
    (SELECT count(*) FROM $schema.video_stats_log WHERE video_id = ANY ($1::text[])) AS video_stats_log,
    (SELECT count(*) FROM $schema.video_growth WHERE video_id = ANY ($1::text[])) AS video_growth,
    (SELECT count(*) FROM $schema.breakouts WHERE video_id = ANY ($1::text[])) AS breakouts,
    (SELECT count(*) FROM $schema.channels WHERE id = ANY ($2::text[])) AS channels
