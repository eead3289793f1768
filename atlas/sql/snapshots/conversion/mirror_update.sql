-- Mirrors updates.
CREATE TRIGGER mirror_update AFTER UPDATE ON $schema.video_stats_log
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION $schema.video_stats_log_mirror()
