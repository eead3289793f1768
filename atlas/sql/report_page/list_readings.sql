-- List the readings since a time of all videos, in no order, one row for each video: a reading is one number, which is its
-- minute since that time, times 2^40, plus its views. One pass over the partitions of that time is far cheaper than a
-- probe of each video, whose snapshots lie on as many pages. $1 since
SELECT video_id,
    array_agg((extract(epoch FROM observed_at - $1::timestamptz) / 60)::bigint * 1099511627776 + least(views, 1099511627775))
        AS readings
FROM $schema.video_stats_log
WHERE observed_at >= $1::timestamptz AND views IS NOT NULL
GROUP BY video_id
