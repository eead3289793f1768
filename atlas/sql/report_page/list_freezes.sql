-- List the latest freezes of YouTube's counts, oldest first. $1 not over at this schedule time, $2 limit
SELECT started_at, ended_at, confirmed_at IS NOT NULL AS confirmed, videos, channels
FROM (
    SELECT * FROM $schema.count_freezes WHERE coalesce(ended_at, 'infinity') >= $1::timestamptz
    ORDER BY started_at DESC LIMIT $2::bigint
) AS latest
ORDER BY started_at
