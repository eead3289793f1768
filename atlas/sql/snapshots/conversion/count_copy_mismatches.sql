-- Rows of a part, and those of them that its copy lacks or has otherwise. $1 the oldest of the part, $2 the newest
SELECT count(*) AS rows, count(*) FILTER (
    WHERE copy.video_id IS NULL
        OR (copy.views, copy.likes, copy.comments) IS DISTINCT FROM (part.views, part.likes, part.comments)
) AS missing
FROM $schema.$part AS part
LEFT JOIN $schema.$target AS copy
    ON copy.video_id = part.video_id AND copy.observed_at = part.observed_at
    AND copy.observed_at >= $1::timestamptz AND copy.observed_at <= $2::timestamptz
