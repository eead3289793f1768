-- What one call learned of claimed videos, written only where the lease is still held; a snapshot for those present.
-- An absence counts only if the last one that counted is old enough; enough of them retire the video.
-- $1 ids, $2 lease tokens, $3 zones, $4 due, $5 present, $6 absent, $7 views, $8 likes, $9 comments, $10 schedule time,
-- $11 an absence before this is old enough, $12 absences that retire
-- The calls that brought it are settled along: $13 days, $14 fingerprints, $15 buckets, $16 slot, $17 how many
WITH input AS (
    SELECT * FROM unnest($1::text[], $2::uuid[], $3::smallint[], $4::timestamptz[], $5::boolean[], $6::boolean[],
                         $7::bigint[], $8::bigint[], $9::bigint[])
        AS video (id, token, zone, due_at, present, absent, views, likes, comments)
), mine AS (
    SELECT input.*, input.absent AND (videos.last_absent_at IS NULL OR videos.last_absent_at <= $11::timestamptz) AS counts,
        videos.absences + 1 AS absences
    FROM $schema.videos JOIN input ON videos.id = input.id AND videos.lease_token = input.token
    ORDER BY videos.id
    FOR UPDATE OF videos
), logged AS (
    INSERT INTO $schema.video_stats_log (video_id, observed_at, views, likes, comments)
    SELECT id, $10::timestamptz, views, likes, comments FROM mine WHERE present ORDER BY id
    ON CONFLICT DO NOTHING
), settled AS (
    INSERT INTO $schema.api_calls (day, fingerprint, bucket, slot, settled)
    SELECT day, fingerprint, bucket, $16, settled
    FROM unnest($13::date[], $14::text[], $15::text[], $17::bigint[]) AS call (day, fingerprint, bucket, settled)
    WHERE (SELECT count(*) FROM mine) IS NOT NULL -- the videos are locked first, as wherever both are written
    ORDER BY day, fingerprint, bucket
    ON CONFLICT (day, fingerprint, bucket, slot) DO UPDATE SET settled = api_calls.settled + excluded.settled
)
UPDATE $schema.videos AS video SET
    last_updated_at = CASE WHEN mine.present THEN $10::timestamptz ELSE video.last_updated_at END,
    zone = mine.zone,
    -- a video without any snapshot is not due: the first due time is the first snapshot plus the interval
    due_at = CASE WHEN mine.counts AND mine.absences >= $12 THEN NULL
                  WHEN video.last_updated_at IS NULL AND NOT mine.present THEN NULL
                  ELSE mine.due_at END,
    retired_at = CASE WHEN mine.counts AND mine.absences >= $12 THEN $10::timestamptz END,
    absences = CASE WHEN mine.present THEN 0 WHEN mine.counts THEN mine.absences ELSE video.absences END,
    last_absent_at = CASE WHEN mine.present THEN NULL WHEN mine.counts THEN $10::timestamptz ELSE video.last_absent_at END,
    leased_until = NULL, lease_token = NULL, leased_by = NULL
FROM mine WHERE video.id = mine.id
RETURNING video.id, mine.present, video.retired_at IS NOT NULL AS retired
