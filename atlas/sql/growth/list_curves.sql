-- List the latest snapshots of each video, oldest first. $1 ids, $2 most snapshots of one video, $3 from this time on
SELECT video.id AS video_id, latest.observed_at, latest.views
FROM unnest($1::text[]) AS video (id)
CROSS JOIN LATERAL (
    SELECT log.observed_at, log.views FROM $schema.video_stats_log AS log
    WHERE log.video_id = video.id AND log.views IS NOT NULL
        AND log.observed_at >= coalesce($3::timestamptz, '-infinity')
    ORDER BY log.observed_at DESC LIMIT $2::bigint
) AS latest
ORDER BY video.id, latest.observed_at
