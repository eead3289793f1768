-- Set the time range of new chunks. $1 the width
SELECT $extension.set_chunk_time_interval('$schema.video_stats_log', $1::interval)
