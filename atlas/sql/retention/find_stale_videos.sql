-- Find a batch of videos whose metadata was last read before a time, the oldest first, without leased ones and those to
-- delete as retired. Reads the whole table: an index of enriched_at would cost a write at each update of a video.
-- $1 read before, $2 retired before, $3 batch size; continue after: $4 time of reading, $5 id
SELECT enriched_at, id FROM $schema.videos
WHERE enriched_at < $1::timestamptz
    AND (enriched_at, id) > (coalesce($4::timestamptz, '-infinity'), coalesce($5::text, ''))
    AND (retired_at IS NULL OR retired_at >= $2::timestamptz)
    AND (leased_until IS NULL OR leased_until < now())
ORDER BY enriched_at, id
LIMIT $3
