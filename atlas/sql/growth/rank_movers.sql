-- Rank the fastest videos before a time and now. :since that time, :most places of both rankings in the answer, :depth
-- places that are known at all, :candidates videos read since then whose earlier rate is computed.
-- A video that was not read since then has the same rate before and now. For the others, the earlier rate is that of
-- their last two snapshots before that time. Only the candidates are looked at: one that was among the fastest has a
-- high mean over the day still.
WITH reread AS (
    SELECT video_id FROM $schema.video_growth WHERE observed_at >= :since::timestamptz
    ORDER BY greatest(views_per_hour, views_per_hour_6h, views_per_hour_24h) DESC
    LIMIT :candidates::bigint
),
earlier AS (
    SELECT reread.video_id,
        (last.views - prior.views) * 3600.0 / extract(epoch FROM last.observed_at - prior.observed_at)::float8 AS rate
    FROM reread
    CROSS JOIN LATERAL (
        SELECT log.observed_at, log.views FROM $schema.video_stats_log AS log
        WHERE log.video_id = reread.video_id AND log.views IS NOT NULL AND log.observed_at < :since::timestamptz
            AND log.observed_at >= :since::timestamptz - interval '3 days'
        ORDER BY log.observed_at DESC LIMIT 1
    ) AS last
    CROSS JOIN LATERAL (
        SELECT log.observed_at, log.views FROM $schema.video_stats_log AS log
        WHERE log.video_id = reread.video_id AND log.views IS NOT NULL AND log.observed_at < last.observed_at
            AND log.observed_at >= :since::timestamptz - interval '3 days'
        ORDER BY log.observed_at DESC LIMIT 1
    ) AS prior
),
before_that AS (
    (
        SELECT video_id, views_per_hour::float8 AS rate FROM $schema.video_growth
        WHERE observed_at < :since::timestamptz
        ORDER BY views_per_hour DESC, video_id LIMIT 2 * :depth::bigint
    )
    UNION ALL
    (SELECT video_id, rate FROM earlier ORDER BY rate DESC, video_id LIMIT 2 * :depth::bigint)
),
former AS (
    SELECT before_that.video_id, rate, row_number() OVER (ORDER BY rate DESC, before_that.video_id) AS place
    FROM before_that JOIN $schema.videos ON videos.id = before_that.video_id AND videos.retired_at IS NULL
),
fastest AS (
    SELECT video_id, views_per_hour::float8 AS rate FROM $schema.video_growth
    ORDER BY views_per_hour DESC, video_id LIMIT 2 * :depth::bigint
),
present AS (
    SELECT fastest.video_id, rate, row_number() OVER (ORDER BY rate DESC, fastest.video_id) AS place
    FROM fastest JOIN $schema.videos ON videos.id = fastest.video_id AND videos.retired_at IS NULL
)
SELECT coalesce(present.video_id, former.video_id) AS video_id, videos.title,
    CASE WHEN former.place <= :depth::bigint THEN former.place END AS before,
    CASE WHEN present.place <= :depth::bigint THEN present.place END AS after,
    former.rate AS rate_before, present.rate AS rate_after
FROM former
FULL JOIN present ON present.video_id = former.video_id
JOIN $schema.videos ON videos.id = coalesce(present.video_id, former.video_id)
WHERE least(former.place, present.place) <= :most::bigint
ORDER BY present.place NULLS LAST, former.place
