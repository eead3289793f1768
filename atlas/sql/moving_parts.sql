-- The parts of the copying, in their order.
SELECT part, pages, remaining FROM $schema.video_stats_log_moving ORDER BY place
