-- The counts of each video in each hour (UTC) in which it was counted, computed when they are read: one probe of the
-- primary key for each video.
CREATE OR REPLACE VIEW $schema.video_stats_hourly AS
SELECT
    videos.id AS video_id, counted.bucket, counted.first_at, counted.last_at, counted.first_views, counted.last_views,
    counted.min_views, counted.max_views, counted.snapshots, counted.last_likes, counted.last_comments
FROM $schema.videos
CROSS JOIN LATERAL (
    SELECT
        date_bin('1 hour', log.observed_at, TIMESTAMPTZ '2000-01-03 00:00:00+00') AS bucket,
        min(log.observed_at) AS first_at,
        max(log.observed_at) AS last_at,
        (array_agg(log.views ORDER BY log.observed_at))[1] AS first_views,
        (array_agg(log.views ORDER BY log.observed_at))[count(*)::integer] AS last_views,
        min(log.views) AS min_views,
        max(log.views) AS max_views,
        count(*) AS snapshots,
        (array_agg(log.likes ORDER BY log.observed_at))[count(*)::integer] AS last_likes,
        (array_agg(log.comments ORDER BY log.observed_at))[count(*)::integer] AS last_comments
    FROM $schema.video_stats_log AS log
    WHERE log.video_id = videos.id AND log.views IS NOT NULL
    GROUP BY 1
) AS counted
