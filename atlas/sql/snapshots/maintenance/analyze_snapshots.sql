-- What the planner knows of all partitions together: the server looks at each by itself alone.
ANALYZE $schema.video_stats_log
