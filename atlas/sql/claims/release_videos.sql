-- Release videos, locked in the order of their ids. $1 ids, $2 lease tokens
WITH mine AS (
    SELECT videos.id FROM $schema.videos
    JOIN unnest($1::text[], $2::uuid[]) AS claim (id, token) ON videos.id = claim.id AND videos.lease_token = claim.token
    ORDER BY videos.id
    FOR UPDATE OF videos
)
UPDATE $schema.videos AS video SET leased_until = NULL, lease_token = NULL, leased_by = NULL
FROM mine WHERE video.id = mine.id
RETURNING video.id
