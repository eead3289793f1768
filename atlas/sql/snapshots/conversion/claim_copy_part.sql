-- The first part of a copying that is not copied yet and that no other process is at. $1 the copying
SELECT part, pages, remaining FROM $schema.video_stats_log_moving
WHERE remaining > 0 AND job = $1::uuid
ORDER BY place
LIMIT 1
FOR UPDATE SKIP LOCKED
