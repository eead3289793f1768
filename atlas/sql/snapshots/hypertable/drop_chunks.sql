-- Drops the chunks that hold nothing but rows of before a time. $1 the time
SELECT $extension.drop_chunks('$schema.video_stats_log', older_than => $1::timestamptz)
