-- Select videos that were present when last asked, the last due first. $1 limit
SELECT id FROM (
    (SELECT id FROM $schema.videos WHERE zone = 1 AND due_at IS NOT NULL AND absences = 0 ORDER BY due_at DESC LIMIT $1) UNION ALL
    (SELECT id FROM $schema.videos WHERE zone = 2 AND due_at IS NOT NULL AND absences = 0 ORDER BY due_at DESC LIMIT $1) UNION ALL
    (SELECT id FROM $schema.videos WHERE zone = 3 AND due_at IS NOT NULL AND absences = 0 ORDER BY due_at DESC LIMIT $1)
) AS lately LIMIT $1
