-- Videos that were retired long enough ago, or that are retired and have nothing that may still be kept; those that a
-- shard holds are left out. The longest retired first, from a position on.
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
