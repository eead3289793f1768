-- Choose tracked videos by chance, but the same ones whenever it is asked again: those with the lowest hashes of their ids.
-- $1 number
SELECT id, coalesce(published_at, first_seen_at) AS born
FROM $schema.videos
WHERE due_at IS NOT NULL AND retired_at IS NULL
ORDER BY hashtext(id), id
LIMIT $1::bigint
