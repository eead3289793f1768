-- Mirrors deletes.
CREATE TRIGGER mirror_delete AFTER DELETE ON $schema.video_stats_log
REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION $schema.video_stats_log_mirror()
