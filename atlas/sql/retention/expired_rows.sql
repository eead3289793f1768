-- Count the expired rows by table and reason, without snapshots, and show the first few. Reads whole tables.
-- :counts is NULL if the age of a video's counts does not matter; :sample is the number of rows to show
WITH expired (table_name, reason, id, title) AS (
    SELECT 'videos', CASE
            WHEN retired_at IS NOT NULL AND (retired_at < :retired::timestamptz OR enriched_at IS NULL) THEN 'retired'
            WHEN enriched_at IS NULL THEN 'never_read'
            ELSE 'not_refreshed'
        END, id, title
    FROM $schema.videos
    WHERE retired_at < :retired::timestamptz OR enriched_at < :metadata::timestamptz
        OR enriched_at IS NULL AND first_seen_at < :metadata::timestamptz
            AND (:counts::timestamptz IS NULL OR last_updated_at IS NULL OR last_updated_at < :counts::timestamptz)
    UNION ALL
    SELECT 'channels', 'no_videos', id, title FROM $schema.channels
    WHERE NOT EXISTS (SELECT 1 FROM $schema.videos WHERE videos.channel_id = channels.id)
    UNION ALL
    SELECT 'search_queue', 'unused_tag', id::text, query_term FROM $schema.search_queue
    WHERE source = 'tag' AND status <> 'paused' AND added_at < :metadata::timestamptz
        AND (last_searched_at IS NULL OR last_searched_at < :metadata::timestamptz)
    UNION ALL
    SELECT 'events', 'old', id::text, type FROM $schema.events WHERE at < :events::timestamptz
    UNION ALL
    SELECT 'runs', 'old', id::text, concat_ws(' ', agent, outcome) FROM $schema.runs
    WHERE started_at < :runs::timestamptz
    UNION ALL
    SELECT 'api_calls', 'old', concat_ws(' ', day, fingerprint, bucket), NULL FROM $schema.api_calls
    WHERE day < :calls::date
    UNION ALL
    SELECT 'key_suspensions', 'old', concat_ws(' ', fingerprint, bucket), reason FROM $schema.key_suspensions
    WHERE suspended_until < :events::timestamptz
    UNION ALL
    SELECT 'api_keys', 'old', fingerprint, NULL FROM $schema.api_keys
    WHERE updated_at < :events::timestamptz AND NOT EXISTS (
        SELECT 1 FROM $schema.key_suspensions
        WHERE key_suspensions.fingerprint = api_keys.fingerprint AND suspended_until >= :events::timestamptz
    )
    UNION ALL
    SELECT 'count_freezes', 'old', id::text, NULL FROM $schema.count_freezes
    WHERE coalesce(ended_at, started_at) < :snapshots::timestamptz
    UNION ALL
    SELECT 'breakouts', 'statistics', id::text, video_id FROM $schema.breakouts WHERE detected_at < :snapshots::timestamptz
    UNION ALL
    SELECT 'video_growth', 'statistics', video_id, NULL FROM $schema.video_growth
    WHERE observed_at < :snapshots::timestamptz
    UNION ALL
    SELECT 'growth_bands', 'statistics', concat_ws(' ', kind, band), NULL FROM $schema.growth_bands
    WHERE learnt_at < :snapshots::timestamptz
    UNION ALL
    SELECT 'growth_levels', 'statistics', concat_ws(' ', kind, category_id), NULL FROM $schema.growth_levels
    WHERE learnt_at < :snapshots::timestamptz
    UNION ALL
    SELECT 'notifications', 'old', concat_ws(' ', type, subject), NULL FROM $schema.notifications
    WHERE notified_at < :notifications::timestamptz
), numbered AS (
    SELECT expired.*, count(*) OVER (PARTITION BY table_name, reason) AS rows,
        row_number() OVER (PARTITION BY table_name, reason ORDER BY id) AS place
    FROM expired
)
SELECT table_name, reason, rows, id, title FROM numbered WHERE place <= :sample ORDER BY table_name, reason, place
