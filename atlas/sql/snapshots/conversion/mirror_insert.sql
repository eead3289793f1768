-- Mirrors inserts.
CREATE TRIGGER mirror_insert AFTER INSERT ON $schema.video_stats_log
REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION $schema.video_stats_log_mirror()
