-- Find what is worth a line on the morning page. Each count stops at the limit. $1 limit, $2 count events from this schedule
-- time on
SELECT
    EXISTS (SELECT 1 FROM $schema.videos) AS any_video,
    (SELECT started_at FROM $schema.count_freezes WHERE ended_at IS NULL AND confirmed_at IS NOT NULL) AS frozen_since,
    (SELECT count(*) FROM (
        SELECT 1 FROM $schema.breakouts WHERE ended_at IS NULL LIMIT $1::bigint) AS bounded) AS open_breakouts,
    (SELECT count(*) FROM (
        SELECT 1 FROM $schema.events WHERE type = 'search_gap' AND at >= $2::timestamptz LIMIT $1::bigint
    ) AS bounded) AS search_gaps,
    (SELECT count(*) FROM (
        SELECT 1 FROM $schema.events WHERE type = 'archive_failed' AND at >= $2::timestamptz LIMIT $1::bigint
    ) AS bounded) AS archive_failures
