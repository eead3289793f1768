-- The first part that is not copied yet and that no other process is at.
SELECT part, pages, remaining FROM $schema.video_stats_log_moving
WHERE remaining > 0
ORDER BY place
LIMIT 1
FOR UPDATE SKIP LOCKED
