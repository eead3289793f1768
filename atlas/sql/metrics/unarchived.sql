-- Count the videos that the archive lacks, and return since when the oldest of them waits. The count stops at the limit.
-- Left out: videos that YouTube left out when they were last asked for. $1 limit
SELECT count(*) AS amount, min(first_seen_at) AS oldest
FROM (
    SELECT first_seen_at FROM $schema.videos
    WHERE archived_at IS NULL AND retired_at IS NULL AND enriched_at IS NOT NULL AND absences = 0
    ORDER BY first_seen_at
    LIMIT $1::bigint
) AS bounded
