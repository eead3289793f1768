-- The counts of each video in each hour (UTC) in which it was counted, kept by TimescaleDB (Community edition); what is
-- newer than the last refresh is computed when it is read. With no data yet: the policy brings it.
CREATE MATERIALIZED VIEW $schema.video_stats_hourly
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT
    video_id,
    $extension.time_bucket('1 hour', observed_at) AS bucket,
    min(observed_at) AS first_at,
    max(observed_at) AS last_at,
    $extension.first(views, observed_at) AS first_views,
    $extension.last(views, observed_at) AS last_views,
    min(views) AS min_views,
    max(views) AS max_views,
    count(*) AS snapshots,
    $extension.last(likes, observed_at) AS last_likes,
    $extension.last(comments, observed_at) AS last_comments
FROM $schema.video_stats_log
WHERE views IS NOT NULL
GROUP BY 1, 2
WITH NO DATA
