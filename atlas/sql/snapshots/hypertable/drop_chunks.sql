-- Drop the chunks whose rows are all older than a time. $1 the time
SELECT $extension.drop_chunks('$schema.video_stats_log', older_than => $1::timestamptz)
