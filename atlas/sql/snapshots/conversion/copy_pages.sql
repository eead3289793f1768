-- Copies the rows of some pages. They are held meanwhile: a row that is deleted or changed is either copied as it is
-- then, or its copy is deleted or changed too. $1 first page, $2 page behind the last
INSERT INTO $schema.$target (video_id, observed_at, views, likes, comments)
SELECT video_id, observed_at, views, likes, comments
FROM $schema.$part
WHERE ctid >= format('(%s,0)', $1::bigint)::tid AND ctid < format('(%s,0)', $2::bigint)::tid
FOR SHARE
ON CONFLICT DO NOTHING
