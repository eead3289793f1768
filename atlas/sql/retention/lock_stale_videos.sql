-- Lock those of the given videos that find_stale_videos would still find, except those that another transaction has locked.
-- $1 ids, $2 read before, $3 retired before
SELECT id FROM $schema.videos
WHERE id = ANY ($1::text[]) AND enriched_at < $2::timestamptz
    AND (retired_at IS NULL OR retired_at >= $3::timestamptz)
    AND (leased_until IS NULL OR leased_until < now())
ORDER BY id
FOR UPDATE SKIP LOCKED
