-- Locks videos that were retired before a time, or that are retired and hold nothing that may still be kept, without
-- leased ones; the oldest first, from a position on.
-- $1 retired before, $2 found before (if never read since), $3 counts read before (NULL: whenever), $4 how many,
-- $5 position: retired, $6 position: id
SELECT retired_at, id FROM $schema.videos
WHERE retired_at IS NOT NULL AND (retired_at, id) > (coalesce($5::timestamptz, '-infinity'), coalesce($6::text, ''))
    AND (retired_at < $1::timestamptz
        OR enriched_at IS NULL AND first_seen_at < $2::timestamptz
            AND ($3::timestamptz IS NULL OR last_updated_at IS NULL OR last_updated_at < $3::timestamptz))
    AND (leased_until IS NULL OR leased_until < now())
ORDER BY retired_at, id
LIMIT $4
FOR UPDATE SKIP LOCKED
