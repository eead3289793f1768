-- What is too old, but for snapshots: by table and reason how many rows, and the first of them. Reads the tables.
-- $1 metadata read before, $2 retired before, $3 counts read before (NULL: whenever), $4 events before, $5 runs before,
-- $6 messages before, $7 calls of days before, $8 rows of the sample,
-- $9 freezes before
WITH expired (table_name, reason, id, title) AS (
    SELECT 'videos', CASE
            WHEN retired_at IS NOT NULL AND (retired_at < $2::timestamptz OR enriched_at IS NULL) THEN 'retired'
            WHEN enriched_at IS NULL THEN 'never_read'
            ELSE 'not_refreshed'
        END, id, title
    FROM $schema.videos
    WHERE retired_at < $2::timestamptz OR enriched_at < $1::timestamptz
        OR enriched_at IS NULL AND first_seen_at < $1::timestamptz
            AND ($3::timestamptz IS NULL OR last_updated_at IS NULL OR last_updated_at < $3::timestamptz)
    UNION ALL
    SELECT 'channels', 'no_videos', id, title FROM $schema.channels
    WHERE NOT EXISTS (SELECT 1 FROM $schema.videos WHERE videos.channel_id = channels.id)
    UNION ALL
    SELECT 'search_queue', 'unused_tag', id::text, query_term FROM $schema.search_queue
    WHERE source = 'tag' AND status <> 'paused' AND added_at < $1::timestamptz
        AND (last_searched_at IS NULL OR last_searched_at < $1::timestamptz)
    UNION ALL
    SELECT 'events', 'old', id::text, type FROM $schema.events WHERE at < $4::timestamptz
    UNION ALL
    SELECT 'runs', 'old', id::text, concat_ws(' ', agent, outcome) FROM $schema.runs
    WHERE started_at < $5::timestamptz
    UNION ALL
    SELECT 'api_calls', 'old', concat_ws(' ', day, fingerprint, bucket), NULL FROM $schema.api_calls
    WHERE day < $7::date
    UNION ALL
    SELECT 'key_suspensions', 'old', concat_ws(' ', fingerprint, bucket), reason FROM $schema.key_suspensions
    WHERE suspended_until < $4::timestamptz
    UNION ALL
    SELECT 'api_keys', 'old', fingerprint, NULL FROM $schema.api_keys
    WHERE updated_at < $4::timestamptz AND NOT EXISTS (
        SELECT 1 FROM $schema.key_suspensions
        WHERE key_suspensions.fingerprint = api_keys.fingerprint AND suspended_until >= $4::timestamptz
    )
    UNION ALL
    SELECT 'count_freezes', 'old', id::text, NULL FROM $schema.count_freezes
    WHERE coalesce(ended_at, started_at) < $9::timestamptz
    UNION ALL
    SELECT 'notifications', 'old', concat_ws(' ', type, subject), NULL FROM $schema.notifications
    WHERE told_at < $6::timestamptz
), numbered AS (
    SELECT expired.*, count(*) OVER (PARTITION BY table_name, reason) AS rows,
        row_number() OVER (PARTITION BY table_name, reason ORDER BY id) AS place
    FROM expired
)
SELECT table_name, reason, rows, id, title FROM numbered WHERE place <= $8 ORDER BY table_name, reason, place
