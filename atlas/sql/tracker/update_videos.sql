-- Store the result of one call for claimed videos whose lease token still matches: a snapshot of each present video, its
-- zone and due time, its absences, and the end of its lease.
-- An absence counts only if the last one that counted is from :old_absence or before; :absences_to_retire of them retire
-- the video. Publish time and duration are written where they are known. A publish time that is later by more than
-- :moved makes the archived record out of date: the video counts as not archived, so that a later run archives it again.
-- The same statement settles the calls that brought the answers; see quota/settle_calls.
WITH input AS (
    SELECT * FROM unnest(:ids::text[], :lease_tokens::uuid[], :zones::smallint[], :due_times::timestamptz[],
                         :present::boolean[], :absent::boolean[], :views::bigint[], :likes::bigint[],
                         :comments::bigint[], :publish_times::timestamptz[], :durations::interval[])
        AS video (id, token, zone, due_at, present, absent, views, likes, comments, published_at, duration)
), mine AS (
    SELECT input.*,
        input.absent AND (videos.last_absent_at IS NULL OR videos.last_absent_at <= :old_absence::timestamptz) AS counts,
        videos.absences + 1 AS absences
    FROM $schema.videos JOIN input ON videos.id = input.id AND videos.lease_token = input.token
    ORDER BY videos.id
    FOR UPDATE OF videos
), logged AS (
    INSERT INTO $schema.video_stats_log (video_id, observed_at, views, likes, comments)
    SELECT id, :now::timestamptz, views, likes, comments FROM mine WHERE present ORDER BY id
    ON CONFLICT DO NOTHING
), settled AS (
    INSERT INTO $schema.api_calls (day, fingerprint, bucket, counter_shard, settled)
    SELECT day, fingerprint, bucket, counter_shard, settled
    FROM unnest(:days::date[], :fingerprints::text[], :buckets::text[], :counter_shards::smallint[], :numbers::bigint[])
        AS call (day, fingerprint, bucket, counter_shard, settled)
    WHERE (SELECT count(*) FROM mine) IS NOT NULL -- the videos are locked first, as wherever both are written
    ORDER BY day, fingerprint, bucket, counter_shard
    ON CONFLICT (day, fingerprint, bucket, counter_shard)
        DO UPDATE SET settled = least(api_calls.settled + excluded.settled, api_calls.reserved)
)
UPDATE $schema.videos AS video SET
    last_updated_at = CASE WHEN mine.present THEN :now::timestamptz ELSE video.last_updated_at END,
    published_at = coalesce(mine.published_at, video.published_at),
    duration = coalesce(mine.duration, video.duration),
    archived_at = CASE WHEN mine.published_at > video.published_at + :moved::interval THEN NULL ELSE video.archived_at END,
    zone = mine.zone,
    -- a video without any snapshot is not due: the first due time is the first snapshot plus the interval
    due_at = CASE WHEN mine.counts AND mine.absences >= :absences_to_retire THEN NULL
                  WHEN video.last_updated_at IS NULL AND NOT mine.present THEN NULL
                  ELSE mine.due_at END,
    retired_at = CASE WHEN mine.counts AND mine.absences >= :absences_to_retire THEN :now::timestamptz END,
    absences = CASE WHEN mine.present THEN 0 WHEN mine.counts THEN mine.absences ELSE video.absences END,
    last_absent_at = CASE WHEN mine.present THEN NULL WHEN mine.counts THEN :now::timestamptz ELSE video.last_absent_at END,
    leased_until = NULL, lease_token = NULL, leased_by = NULL
FROM mine WHERE video.id = mine.id
RETURNING video.id, mine.present, video.retired_at IS NOT NULL AS retired
