-- Copies the rows of a part that its copy lacks. $1 the oldest of the part, $2 the newest
INSERT INTO $schema.$target (video_id, observed_at, views, likes, comments)
SELECT part.video_id, part.observed_at, part.views, part.likes, part.comments
FROM $schema.$part AS part
WHERE NOT EXISTS (
    SELECT FROM $schema.$target AS copy
    WHERE copy.video_id = part.video_id AND copy.observed_at = part.observed_at
        AND copy.observed_at >= $1::timestamptz AND copy.observed_at <= $2::timestamptz
)
FOR SHARE OF part
ON CONFLICT DO NOTHING
