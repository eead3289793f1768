-- Claim videos stored without metadata or, if $6, never archived; absent ones only if last absent at $7 or before.
-- $1 limit, $2 for the archive: first seen at or before, $3 lease in seconds, $4 lease token, $5 shard
WITH unenriched AS (
    SELECT id FROM $schema.videos
    WHERE enriched_at IS NULL AND retired_at IS NULL AND (leased_until IS NULL OR leased_until < now())
        AND (last_absent_at IS NULL OR last_absent_at <= $7)
    ORDER BY first_seen_at
    LIMIT $1
    FOR UPDATE SKIP LOCKED
), unarchived AS (
    SELECT id FROM $schema.videos
    WHERE archived_at IS NULL AND retired_at IS NULL AND enriched_at IS NOT NULL AND $6
        -- only one end of the range is known to the planner; otherwise it would sort all unarchived videos, see claim_videos
        AND first_seen_at >= '-infinity' AND first_seen_at <= (SELECT $2::timestamptz)
        AND (leased_until IS NULL OR leased_until < now()) AND (last_absent_at IS NULL OR last_absent_at <= $7)
    ORDER BY first_seen_at
    LIMIT (SELECT $1 - count(*) FROM unenriched)
    FOR UPDATE SKIP LOCKED
), picked AS (
    SELECT id FROM unenriched UNION ALL SELECT id FROM unarchived
)
UPDATE $schema.videos AS video
SET leased_until = now() + make_interval(secs => $3), lease_token = $4, leased_by = $5
WHERE video.id = ANY (ARRAY(SELECT id FROM picked))
RETURNING video.id, title, published_at, first_seen_at, last_updated_at, zone, due_at, enriched_at, archived_at,
    duration, lease_token
