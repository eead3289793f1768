-- Count the tracked videos of each zone, those that are due, and those whose promise is broken (due before :broken_before);
-- find the oldest due time. Each count stops at the limit; it reads only the index videos_due, in order, so the videos that
-- wait longest are counted first. `newest` is the latest reading among the videos that are due last.
SELECT zone.number AS zone, tracked.amount AS tracked, overdue.due, overdue.late, overdue.oldest_due, latest.newest
FROM unnest(:zones::smallint[], :broken_before::timestamptz[], :due_until::timestamptz[])
    AS zone (number, broken_before, due_until)
CROSS JOIN LATERAL (
    SELECT count(*) AS amount
    FROM (SELECT 1 FROM $schema.videos WHERE videos.zone = zone.number AND due_at IS NOT NULL LIMIT :limit::bigint) AS bounded
) AS tracked
CROSS JOIN LATERAL (
    SELECT count(*) AS due, count(*) FILTER (WHERE due_at < zone.broken_before) AS late, min(due_at) AS oldest_due
    FROM (
        SELECT due_at FROM $schema.videos
        WHERE videos.zone = zone.number AND due_at <= :now::timestamptz
        ORDER BY due_at LIMIT :limit::bigint
    ) AS bounded
) AS overdue
CROSS JOIN LATERAL (
    -- a video that was just read is due an interval later; only an upcoming one is due later than that
    SELECT max(last_updated_at) AS newest
    FROM (
        (
            SELECT last_updated_at FROM $schema.videos
            WHERE videos.zone = zone.number AND due_at <= zone.due_until
            ORDER BY due_at DESC LIMIT 200
        ) UNION ALL (
            SELECT last_updated_at FROM $schema.videos
            WHERE videos.zone = zone.number AND due_at > zone.due_until
            ORDER BY due_at LIMIT 200
        )
    ) AS bounded
) AS latest
ORDER BY zone.number
