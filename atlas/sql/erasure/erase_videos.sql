-- Delete videos, leased or not, with their growth and breakouts; return the numbers, and how many videos were leased.
-- $1 ids
WITH deleted AS (
    DELETE FROM $schema.videos WHERE id = ANY ($1::text[]) RETURNING coalesce(leased_until > now(), false) AS leased
), growth AS (
    DELETE FROM $schema.video_growth WHERE video_id = ANY ($1::text[]) RETURNING 1
), broken AS (
    DELETE FROM $schema.breakouts WHERE video_id = ANY ($1::text[]) RETURNING 1
)
SELECT count(*) AS number, count(*) FILTER (WHERE leased) AS leased, (SELECT count(*) FROM growth) AS growth,
    (SELECT count(*) FROM broken) AS breakouts
FROM deleted
