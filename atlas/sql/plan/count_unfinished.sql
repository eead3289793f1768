-- Count videos that hunter/claim_unfinished would find now: stored without metadata or, if $4, never archived.
-- Each count stops at the limit. $1 limit, $2 for the archive: first seen at or before, $3 last absent at or before
SELECT (
    SELECT count(*) FROM (
        SELECT 1 FROM $schema.videos
        WHERE enriched_at IS NULL AND retired_at IS NULL AND (leased_until IS NULL OR leased_until < now())
            AND (last_absent_at IS NULL OR last_absent_at <= $3::timestamptz)
        ORDER BY first_seen_at
        LIMIT $1::bigint
    ) AS unenriched
) + (
    SELECT count(*) FROM (
        SELECT 1 FROM $schema.videos
        WHERE archived_at IS NULL AND retired_at IS NULL AND enriched_at IS NOT NULL
            AND first_seen_at <= $2::timestamptz AND $4::boolean
            AND (leased_until IS NULL OR leased_until < now())
            AND (last_absent_at IS NULL OR last_absent_at <= $3::timestamptz)
        ORDER BY first_seen_at
        LIMIT $1::bigint
    ) AS unarchived
) AS unfinished
