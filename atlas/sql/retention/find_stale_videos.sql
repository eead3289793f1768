-- Finds videos whose metadata was last read before a time, without leased ones and those to delete as retired; the
-- oldest first, from a position on. Reads the table: each update of a video would write an index of enriched_at.
-- $1 read before, $2 retired before, $3 how many, $4 position: read, $5 position: id
SELECT enriched_at, id FROM $schema.videos
WHERE enriched_at < $1::timestamptz
    AND (enriched_at, id) > (coalesce($4::timestamptz, '-infinity'), coalesce($5::text, ''))
    AND (retired_at IS NULL OR retired_at >= $2::timestamptz)
    AND (leased_until IS NULL OR leased_until < now())
ORDER BY enriched_at, id
LIMIT $3
