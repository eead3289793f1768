-- Snapshots that came sooner after the one before than the video's zone allows: none, unless two shards worked on one
-- video. Reads every snapshot since $1, and those of the same videos before.
-- $1 since, $2 ages (zone k holds the videos below its age), $3 intervals of those zones, $4 interval of older videos,
-- $5 longest interval of videos that are live or upcoming
SELECT video_id AS id, observed_at, previous_at
FROM (
    SELECT log.video_id, log.observed_at,
        lag(log.observed_at) OVER (PARTITION BY log.video_id ORDER BY log.observed_at) AS previous_at,
        coalesce(videos.published_at, videos.first_seen_at) AS born, videos.duration = interval '0' AS pending
    FROM $schema.video_stats_log AS log JOIN $schema.videos ON videos.id = log.video_id
) AS snapshot
WHERE observed_at >= $1::timestamptz
    AND observed_at - previous_at < least(CASE WHEN pending THEN $5::interval END, coalesce(
        (SELECT zone.pause FROM unnest($2::interval[], $3::interval[]) AS zone (below, pause)
         WHERE previous_at - born < zone.below ORDER BY zone.below LIMIT 1),
        $4::interval))
ORDER BY observed_at
