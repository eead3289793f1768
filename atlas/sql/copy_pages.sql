-- Copies the rows of some pages. They are held meanwhile: a row that is deleted is either not copied, or deleted from
-- the copy too. $1 first page, $2 page behind the last
INSERT INTO $schema.$target (video_id, observed_at, views, likes, comments)
SELECT video_id, observed_at, views, likes, comments
FROM $schema.$part
WHERE ctid >= format('(%s,0)', $1::bigint)::tid AND ctid < format('(%s,0)', $2::bigint)::tid
FOR KEY SHARE
ON CONFLICT DO NOTHING
