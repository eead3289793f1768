-- Ends the mirroring: the triggers go with their function.
DROP FUNCTION IF EXISTS $schema.video_stats_log_mirror() CASCADE
