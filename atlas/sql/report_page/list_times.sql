-- List the times of snapshots of videos since a time, in seconds since 1970, oldest first; only the primary key is read.
-- $1 ids, $2 since
SELECT video.id, times.at
FROM unnest($1::text[]) AS video (id)
CROSS JOIN LATERAL (
    SELECT array_agg(extract(epoch FROM log.observed_at)::bigint ORDER BY log.observed_at) AS at
    FROM $schema.video_stats_log AS log
    WHERE log.video_id = video.id AND log.observed_at >= $2::timestamptz
) AS times
