-- Copy the rows of some pages of a table into the snapshots. $1 first page, $2 page after the last one
INSERT INTO $schema.video_stats_log (video_id, observed_at, views, likes, comments)
SELECT video_id, observed_at, views, likes, comments
FROM $schema.$part
WHERE ctid >= format('(%s,0)', $1::bigint)::tid AND ctid < format('(%s,0)', $2::bigint)::tid
