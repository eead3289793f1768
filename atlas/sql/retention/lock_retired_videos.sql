-- Lock a batch of videos that were retired before a time, or that are retired and whose metadata and counts have expired,
-- without leased ones; the oldest first.
-- $1 retired before, $2 first seen before (if never read since), $3 counts read before (NULL: at any time),
-- $4 batch size; continue after: $5 time of retirement, $6 id
SELECT retired_at, id FROM $schema.videos
WHERE retired_at IS NOT NULL AND (retired_at, id) > (coalesce($5::timestamptz, '-infinity'), coalesce($6::text, ''))
    AND (retired_at < $1::timestamptz
        OR enriched_at IS NULL AND first_seen_at < $2::timestamptz
            AND ($3::timestamptz IS NULL OR last_updated_at IS NULL OR last_updated_at < $3::timestamptz))
    AND (leased_until IS NULL OR leased_until < now())
ORDER BY retired_at, id
LIMIT $4
FOR UPDATE SKIP LOCKED
