-- Lock a batch of videos whose metadata was never read, or was cleared, and whose counts have expired, without leased
-- ones; the first seen first.
-- $1 first seen before, $2 counts read before (NULL: at any time), $3 batch size; continue after: $4 first seen, $5 id
SELECT first_seen_at, id FROM $schema.videos
WHERE enriched_at IS NULL AND retired_at IS NULL AND first_seen_at < $1::timestamptz
    AND (first_seen_at, id) > (coalesce($4::timestamptz, '-infinity'), coalesce($5::text, ''))
    AND ($2::timestamptz IS NULL OR last_updated_at IS NULL OR last_updated_at < $2::timestamptz)
    AND (leased_until IS NULL OR leased_until < now())
ORDER BY first_seen_at, id
LIMIT $3
FOR UPDATE SKIP LOCKED
