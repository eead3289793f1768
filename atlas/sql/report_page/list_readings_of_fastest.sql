-- List the readings since a time of the fastest videos; see list_readings. $1 since, $2 number of videos
SELECT video_id,
    array_agg((extract(epoch FROM observed_at - $1::timestamptz) / 60)::bigint * 1099511627776 + least(views, 1099511627775))
        AS readings
FROM $schema.video_stats_log
WHERE observed_at >= $1::timestamptz AND views IS NOT NULL
    AND video_id IN (SELECT video_id FROM $schema.video_growth ORDER BY views_per_hour DESC, video_id LIMIT $2::bigint)
GROUP BY video_id
