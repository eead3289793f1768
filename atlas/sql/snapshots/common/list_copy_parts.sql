-- The parts of a copying, in their order. $1 the copying
SELECT part, pages, remaining FROM $schema.video_stats_log_moving WHERE job = $1::uuid ORDER BY place
