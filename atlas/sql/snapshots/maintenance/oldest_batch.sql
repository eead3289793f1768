-- The next snapshots of before a time in the order of their videos: up to which video, and how many.
-- $1 the time, $2 behind this video, $3 how many at most
SELECT max(video_id) AS last, count(*) AS number
FROM (
    SELECT video_id FROM $schema.video_stats_log
    WHERE observed_at < $1::timestamptz AND video_id > $2::text
    ORDER BY video_id
    LIMIT $3::bigint
) AS batch
