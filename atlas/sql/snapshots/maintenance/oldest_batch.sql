-- Return the last video and the size of the next batch of snapshots older than a time, in the order of the videos.
-- $1 the time, $2 after this video, $3 largest size
SELECT max(video_id) AS last, count(*) AS number
FROM (
    SELECT video_id FROM $schema.video_stats_log
    WHERE observed_at < $1::timestamptz AND video_id > $2::text
    ORDER BY video_id
    LIMIT $3::bigint
) AS batch
