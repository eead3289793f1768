-- Tell why a ranking may be empty, and when the next video is due.
SELECT
    EXISTS (SELECT 1 FROM $schema.videos) AS any_video,
    EXISTS (SELECT 1 FROM $schema.video_growth) AS any_growth,
    (SELECT min(due_at) FROM (
        (SELECT due_at FROM $schema.videos WHERE zone = 1 AND due_at IS NOT NULL ORDER BY due_at LIMIT 1) UNION ALL
        (SELECT due_at FROM $schema.videos WHERE zone = 2 AND due_at IS NOT NULL ORDER BY due_at LIMIT 1) UNION ALL
        (SELECT due_at FROM $schema.videos WHERE zone = 3 AND due_at IS NOT NULL ORDER BY due_at LIMIT 1)) AS first) AS next_due
