-- Store channels, videos and their first snapshots; refresh known videos, and revive retired videos that exist again.
-- No lease is needed. A changed publish time changes the zone, and the video is due no later than that zone requires; a
-- publish time that moved to later by more than :moved makes the archived record out of date. Texts of a search (:enriched
-- false) are placeholders: they never replace texts of videos.list.
-- :found_by is the query that listed them (NULL: none): it stays with the videos that this statement creates.
-- :tags are joined by U+001F, :observed is when YouTube answered (schedule time).
WITH input AS (
    SELECT * FROM unnest(:ids::text[], :channels::text[], :channel_titles::text[], :titles::text[],
                         :publish_times::timestamptz[], :tags::text[], :categories::integer[], :durations::interval[],
                         :zones::smallint[], :due_times::timestamptz[], :enriched::boolean[], :views::bigint[],
                         :likes::bigint[], :comments::bigint[], :observed::timestamptz[])
        AS video (id, channel_id, channel_title, title, published_at, tags, category_id, duration,
                  zone, due_at, enriched, views, likes, comments, observed_at)
), before AS (
    SELECT videos.id, videos.enriched_at FROM $schema.videos JOIN input ON videos.id = input.id
), stored AS (
    INSERT INTO $schema.videos (id, channel_id, title, published_at, tags, category_id, duration, first_seen_at,
                        last_updated_at, zone, due_at, enriched_at, found_by)
    SELECT id, channel_id, title, published_at, string_to_array(tags, E'\x1f'), category_id, duration, observed_at,
           CASE WHEN enriched THEN observed_at END, zone, CASE WHEN enriched THEN due_at END,
           CASE WHEN enriched THEN observed_at END, :found_by::bigint
    FROM input
    ORDER BY id
    ON CONFLICT (id) DO UPDATE SET
        channel_id = CASE WHEN excluded.enriched_at IS NULL AND videos.enriched_at IS NOT NULL
                          THEN coalesce(videos.channel_id, excluded.channel_id)
                          ELSE coalesce(excluded.channel_id, videos.channel_id) END,
        title = CASE WHEN excluded.enriched_at IS NULL AND videos.enriched_at IS NOT NULL
                     THEN coalesce(videos.title, excluded.title)
                     ELSE coalesce(excluded.title, videos.title) END,
        published_at = coalesce(excluded.published_at, videos.published_at),
        tags = coalesce(excluded.tags, videos.tags),
        category_id = coalesce(excluded.category_id, videos.category_id),
        duration = coalesce(excluded.duration, videos.duration),
        enriched_at = coalesce(excluded.enriched_at, videos.enriched_at),
        last_updated_at = CASE WHEN videos.enriched_at IS NULL THEN coalesce(excluded.last_updated_at, videos.last_updated_at)
                               ELSE videos.last_updated_at END,
        zone = CASE WHEN excluded.enriched_at IS NOT NULL AND (videos.enriched_at IS NULL OR videos.retired_at IS NOT NULL)
                      OR excluded.published_at <> videos.published_at
                    THEN excluded.zone ELSE videos.zone END,
        due_at = CASE WHEN excluded.enriched_at IS NOT NULL AND (videos.enriched_at IS NULL OR videos.retired_at IS NOT NULL)
                      THEN excluded.due_at
                      WHEN excluded.published_at <> videos.published_at AND videos.due_at IS NOT NULL
                      THEN least(videos.due_at, (SELECT input.due_at FROM input WHERE input.id = excluded.id))
                      ELSE videos.due_at END,
        archived_at = CASE WHEN excluded.published_at > videos.published_at + :moved::interval THEN NULL
                           ELSE videos.archived_at END,
        absences = CASE WHEN excluded.enriched_at IS NOT NULL THEN 0 ELSE videos.absences END,
        last_absent_at = CASE WHEN excluded.enriched_at IS NULL THEN videos.last_absent_at END,
        retired_at = CASE WHEN excluded.enriched_at IS NULL THEN videos.retired_at END
    RETURNING id, xmax = 0 AS created, last_updated_at
), fresh AS (
    -- if another shard enriched the row while this one waited for its lock, the row has the other shard's time
    SELECT stored.id FROM stored JOIN input ON input.id = stored.id LEFT JOIN before ON before.id = stored.id
    WHERE input.enriched AND before.enriched_at IS NULL AND stored.last_updated_at = input.observed_at
), titled AS (
    INSERT INTO $schema.channels (id, title, first_seen_at, updated_at)
    SELECT DISTINCT ON (channel_id) channel_id, channel_title, min(observed_at) OVER (PARTITION BY channel_id), observed_at
    FROM input WHERE channel_id IS NOT NULL
    ORDER BY channel_id, channel_title IS NULL, NOT enriched, observed_at DESC, channel_title
    ON CONFLICT (id) DO UPDATE SET title = excluded.title, updated_at = excluded.updated_at
    WHERE channels.title IS DISTINCT FROM excluded.title AND excluded.title IS NOT NULL
        AND (channels.title IS NULL
            OR channels.updated_at <= excluded.updated_at
                AND EXISTS (SELECT FROM input WHERE channel_id = excluded.id AND enriched AND channel_title IS NOT NULL))
), logged AS (
    INSERT INTO $schema.video_stats_log (video_id, observed_at, views, likes, comments)
    SELECT id, observed_at, views, likes, comments FROM input JOIN fresh USING (id)
    ORDER BY id
    ON CONFLICT DO NOTHING
)
SELECT stored.id, stored.created, fresh.id IS NOT NULL AS newly_enriched
FROM stored LEFT JOIN fresh ON fresh.id = stored.id
