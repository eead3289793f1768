-- What one call learned of claimed videos, written only where the lease is still held; a snapshot for those present.
-- An absence counts only if the last one that counted is old enough; enough of them retire the video.
-- Publish time and duration are written where they are known. The archive's record of a video whose publish time has
-- moved on is out of date: the video counts as not archived, so that a later run archives it anew.
-- $1 ids, $2 lease tokens, $3 zones, $4 due, $5 present, $6 absent, $7 views, $8 likes, $9 comments, $10 published,
-- $11 durations, $12 schedule time, $13 an absence before this is old enough, $14 absences that retire,
-- $15 a publish time that is later by more than this has moved
-- The calls that brought it are settled along: $16 days, $17 fingerprints, $18 buckets, $19 slots, $20 how many. See
-- settle_calls.
WITH input AS (
    SELECT * FROM unnest($1::text[], $2::uuid[], $3::smallint[], $4::timestamptz[], $5::boolean[], $6::boolean[],
                         $7::bigint[], $8::bigint[], $9::bigint[], $10::timestamptz[], $11::interval[])
        AS video (id, token, zone, due_at, present, absent, views, likes, comments, published_at, duration)
), mine AS (
    SELECT input.*, input.absent AND (videos.last_absent_at IS NULL OR videos.last_absent_at <= $13::timestamptz) AS counts,
        videos.absences + 1 AS absences
    FROM $schema.videos JOIN input ON videos.id = input.id AND videos.lease_token = input.token
    ORDER BY videos.id
    FOR UPDATE OF videos
), logged AS (
    INSERT INTO $schema.video_stats_log (video_id, observed_at, views, likes, comments)
    SELECT id, $12::timestamptz, views, likes, comments FROM mine WHERE present ORDER BY id
    ON CONFLICT DO NOTHING
), settled AS (
    INSERT INTO $schema.api_calls (day, fingerprint, bucket, slot, settled)
    SELECT day, fingerprint, bucket, slot, settled
    FROM unnest($16::date[], $17::text[], $18::text[], $19::smallint[], $20::bigint[])
        AS call (day, fingerprint, bucket, slot, settled)
    WHERE (SELECT count(*) FROM mine) IS NOT NULL -- the videos are locked first, as wherever both are written
    ORDER BY day, fingerprint, bucket, slot
    ON CONFLICT (day, fingerprint, bucket, slot)
        DO UPDATE SET settled = least(api_calls.settled + excluded.settled, api_calls.reserved)
)
UPDATE $schema.videos AS video SET
    last_updated_at = CASE WHEN mine.present THEN $12::timestamptz ELSE video.last_updated_at END,
    published_at = coalesce(mine.published_at, video.published_at),
    duration = coalesce(mine.duration, video.duration),
    archived_at = CASE WHEN mine.published_at > video.published_at + $15::interval THEN NULL ELSE video.archived_at END,
    zone = mine.zone,
    -- a video without any snapshot is not due: the first due time is the first snapshot plus the interval
    due_at = CASE WHEN mine.counts AND mine.absences >= $14 THEN NULL
                  WHEN video.last_updated_at IS NULL AND NOT mine.present THEN NULL
                  ELSE mine.due_at END,
    retired_at = CASE WHEN mine.counts AND mine.absences >= $14 THEN $12::timestamptz END,
    absences = CASE WHEN mine.present THEN 0 WHEN mine.counts THEN mine.absences ELSE video.absences END,
    last_absent_at = CASE WHEN mine.present THEN NULL WHEN mine.counts THEN $12::timestamptz ELSE video.last_absent_at END,
    leased_until = NULL, lease_token = NULL, leased_by = NULL
FROM mine WHERE video.id = mine.id
RETURNING video.id, mine.present, video.retired_at IS NOT NULL AS retired
