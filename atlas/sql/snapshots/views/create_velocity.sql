-- How fast each video with a counted snapshot grows. The windows are measured back from its latest snapshot, the count
-- at their start interpolated between the snapshots around it. Everything is found by probes of the primary key: the
-- last three snapshots at once, a window only for the rows and columns that a query asks for.
CREATE OR REPLACE VIEW $schema.video_velocity AS
SELECT
    videos.id AS video_id,
    latest.at[1] AS observed_at,
    latest.views[1] AS views,
    latest.at[2] AS previous_at,
    (latest.views[1] - latest.views[2]) * 3600.0::float8
        / extract(epoch FROM latest.at[1] - latest.at[2])::float8 AS views_per_hour,
    (
        SELECT (latest.views[1] - older.views - (newer.views - older.views)
                * extract(epoch FROM latest.at[1] - interval '6 hours' - older.observed_at)::float8
                / extract(epoch FROM newer.observed_at - older.observed_at)::float8) / 6
        FROM (
            SELECT log.observed_at, log.views FROM $schema.video_stats_log AS log
            WHERE log.video_id = videos.id AND log.views IS NOT NULL
                AND log.observed_at <= latest.at[1] - interval '6 hours'
            ORDER BY log.observed_at DESC LIMIT 1
        ) AS older, (
            SELECT log.observed_at, log.views FROM $schema.video_stats_log AS log
            WHERE log.video_id = videos.id AND log.views IS NOT NULL
                AND log.observed_at > latest.at[1] - interval '6 hours' AND log.observed_at <= latest.at[1]
            ORDER BY log.observed_at LIMIT 1
        ) AS newer
    ) AS views_per_hour_6h,
    (
        SELECT (latest.views[1] - older.views - (newer.views - older.views)
                * extract(epoch FROM latest.at[1] - interval '24 hours' - older.observed_at)::float8
                / extract(epoch FROM newer.observed_at - older.observed_at)::float8) / 24
        FROM (
            SELECT log.observed_at, log.views FROM $schema.video_stats_log AS log
            WHERE log.video_id = videos.id AND log.views IS NOT NULL
                AND log.observed_at <= latest.at[1] - interval '24 hours'
            ORDER BY log.observed_at DESC LIMIT 1
        ) AS older, (
            SELECT log.observed_at, log.views FROM $schema.video_stats_log AS log
            WHERE log.video_id = videos.id AND log.views IS NOT NULL
                AND log.observed_at > latest.at[1] - interval '24 hours' AND log.observed_at <= latest.at[1]
            ORDER BY log.observed_at LIMIT 1
        ) AS newer
    ) AS views_per_hour_24h,
    -- the difference of the last two rates, in views per hour, over the hours between the middles of their intervals
    ((latest.views[1] - latest.views[2]) * 3600.0::float8 / extract(epoch FROM latest.at[1] - latest.at[2])::float8
        - (latest.views[2] - latest.views[3]) * 3600.0::float8 / extract(epoch FROM latest.at[2] - latest.at[3])::float8)
        * 7200 / extract(epoch FROM latest.at[1] - latest.at[3])::float8 AS acceleration
FROM $schema.videos
CROSS JOIN LATERAL (
    SELECT array_agg(three.observed_at ORDER BY three.observed_at DESC) AS at,
        array_agg(three.views ORDER BY three.observed_at DESC) AS views
    FROM (
        SELECT log.observed_at, log.views FROM $schema.video_stats_log AS log
        WHERE log.video_id = videos.id AND log.views IS NOT NULL
        ORDER BY log.observed_at DESC LIMIT 3
    ) AS three
) AS latest
WHERE latest.at IS NOT NULL
