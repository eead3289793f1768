-- List breakouts, the latest first. $1 limit, $2 detected from this time on, $3 only those that have not ended,
-- $4 of this video; NULL: of any
SELECT breakouts.*, videos.title, videos.channel_id, channels.title AS channel
FROM $schema.breakouts
JOIN $schema.videos ON videos.id = breakouts.video_id
LEFT JOIN $schema.channels ON channels.id = videos.channel_id
WHERE detected_at >= coalesce($2::timestamptz, '-infinity') AND (NOT $3::boolean OR ended_at IS NULL)
    AND ($4::text IS NULL OR breakouts.video_id = $4::text)
ORDER BY detected_at DESC, breakouts.id DESC
LIMIT $1::bigint
