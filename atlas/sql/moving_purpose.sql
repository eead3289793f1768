-- What the copying is for that is under way.
SELECT purpose FROM $schema.video_stats_log_moving LIMIT 1
