-- Mirrors truncates.
CREATE TRIGGER mirror_truncate AFTER TRUNCATE ON $schema.video_stats_log
FOR EACH STATEMENT EXECUTE FUNCTION $schema.video_stats_log_mirror()
