-- The copying that is under way, and what it is for.
SELECT job, purpose FROM $schema.video_stats_log_moving LIMIT 1
