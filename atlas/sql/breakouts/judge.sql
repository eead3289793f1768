-- Judge the growth of the videos that were just read: rates, the score against what is usual, the forecast. Write each to
-- video_growth; return those that need a further look: candidates, open breakouts, and great surprises.
--
-- The usual rate is the video's own level on the typical curve of its kind and age, and of the time of day. The level
-- follows the readings as a Kalman filter does, in logarithms; it begins at that of the category. The score
-- sums up by how many deviations readings exceed the usual rate, less an allowance for each (CUSUM), so that a single
-- outlier is not enough. A count that stands still says nothing: the next gain is compared over the whole time since the
-- count last moved. Snapshots of a freeze are skipped.
--
-- x = ln(age in hours + 1) is the scale of ages; band = floor(x / :width). Rows are found by probes of primary keys, with
-- LIMIT, since a join would let the planner read whole tables. OFFSET 0 keeps a step from being merged into the
-- next, which would compute its columns again wherever they are used; MATERIALIZED does that too, and copies wide rows.
-- :ids of videos, with a snapshot from the schedule time :since on and before :until, which leaves out the partitions of
-- later weeks; the other parameters are in atlas/policy.py
WITH still AS MATERIALIZED (
    SELECT coalesce(range_agg(tstzrange(started_at, ended_at)), '{}') AS times FROM $schema.count_freezes
), fresh AS MATERIALIZED (
    SELECT video.id, video.found_by, video.channel_id, video.category_id, newest.observed_at, newest.views,
        coalesce(video.published_at, video.first_seen_at) AS born,
        CASE WHEN video.duration = interval '0' THEN 3 WHEN video.duration <= :short::interval THEN 2 ELSE 1 END AS kind,
        state.video_id IS NULL AS is_new,
        coalesce(state.observed_at, older.observed_at) AS last_at, coalesce(state.views, older.views) AS last_views,
        coalesce(state.moved_at, state.observed_at, older.observed_at) AS moved_at,
        coalesce(state.moved_views, state.views, older.views) AS moved_views, state.base_at, state.base_views,
        state.level, state.variance,
        coalesce(state.score, 0)::float8 AS score, coalesce(state.above, 0) AS above, coalesce(state.below, 0) AS below,
        state.breakout_at
    FROM $schema.videos AS video
    CROSS JOIN LATERAL (
        SELECT log.observed_at, log.views FROM $schema.video_stats_log AS log
        WHERE log.video_id = video.id AND log.views IS NOT NULL
            AND log.observed_at >= :since::timestamptz AND log.observed_at < :until::timestamptz
            AND NOT log.observed_at <@ (SELECT times FROM still)
        ORDER BY log.observed_at DESC LIMIT 1
    ) AS newest
    LEFT JOIN LATERAL (
        SELECT growth.* FROM $schema.video_growth AS growth WHERE growth.video_id = video.id LIMIT 1
    ) AS state ON true
    LEFT JOIN LATERAL (
        SELECT log.observed_at, log.views FROM $schema.video_stats_log AS log
        WHERE state.video_id IS NULL AND log.video_id = video.id AND log.views IS NOT NULL
            AND log.observed_at < newest.observed_at AND NOT log.observed_at <@ (SELECT times FROM still)
        ORDER BY log.observed_at DESC LIMIT 1
    ) AS older ON true
    WHERE video.id = ANY (:ids::text[]) AND newest.observed_at > coalesce(state.observed_at, older.observed_at)
), placed AS (
    SELECT aged.*,
        ln(1 + age) AS x, ln(1 + greatest(0, age - step)) AS x_last, ln(1 + greatest(0, age - hours / 2)) AS x_mid,
        2 * pi() * (extract(epoch FROM observed_at)::float8 / 86400 - hours / 48) AS day_angle,
        pi() * hours / 24 AS day_width
    FROM (
        SELECT fresh.*, views - moved_views AS gain, extract(epoch FROM observed_at - moved_at)::float8 / 3600 AS hours,
            extract(epoch FROM observed_at - last_at)::float8 / 3600 AS step,
            greatest(0, extract(epoch FROM observed_at - born)::float8 / 3600) AS age
        FROM fresh OFFSET 0
    ) AS aged OFFSET 0
), curved AS MATERIALIZED (
    -- The typical curve of the kind. A video without a level of its own begins at the one that its views since publication
    -- suggest; without views, at that of its category.
    SELECT placed.*,
        coalesce(middle.rate + middle.slope * (x_mid - :width::float8 * middle.band)
            + (middle.day_cos * cos(day_angle) + middle.day_sin * sin(day_angle)) * sin(day_width) / day_width,
            :slope::float8 * x_mid) AS curve_mid,
        coalesce(final.rate + final.slope * (x - :width::float8 * final.band), :slope::float8 * x) AS curve,
        coalesce(coalesce(placed.level, onset.level)
                - coalesce(begin.rate + begin.slope * (x_last - :width::float8 * begin.band), :slope::float8 * x_last),
            category.level, anyone.level, 0) AS own,
        coalesce(placed.variance, onset.variance, :variance_unknown::float8) AS own_variance,
        coalesce(placed.variance, onset.variance, :variance_unknown::float8) < :variance_unknown::float8 AS known,
        greatest(:spread_least::float8, :spread_share::float8 * coalesce(final.spread, :spread::float8)) AS spread,
        final.to_24h_low, final.to_24h, final.to_24h_high, final.to_7d_low, final.to_7d, final.to_7d_high
    FROM placed
    LEFT JOIN $schema.growth_bands AS begin ON begin.kind = placed.kind
        AND begin.band = least(:bands::integer - 1, floor(x_last / :width::float8)::integer)
    LEFT JOIN LATERAL (
        SELECT ln(last_views + 1::float8) + begin.onset - x_last AS level, begin.onset_spread ^ 2 AS variance
        WHERE placed.is_new AND last_views >= 1 AND begin.onset IS NOT NULL
    ) AS onset ON true
    LEFT JOIN $schema.growth_bands AS middle ON middle.kind = placed.kind
        AND middle.band = least(:bands::integer - 1, floor(x_mid / :width::float8)::integer)
    LEFT JOIN $schema.growth_bands AS final ON final.kind = placed.kind
        AND final.band = least(:bands::integer - 1, floor(x / :width::float8)::integer)
    LEFT JOIN $schema.growth_levels AS category ON placed.is_new AND category.kind = placed.kind
        AND category.category_id = placed.category_id
    LEFT JOIN $schema.growth_levels AS anyone ON placed.is_new AND anyone.kind = placed.kind AND anyone.category_id = -1
    OFFSET 0
), expected AS (
    SELECT curved.*, usual * hours AS expected_gain, greatest(0, gain)::float8 AS gained,
        gain < -:small_fall::float8 * moved_views AS fell,
        gain <= 0 AND gain >= -:small_fall::float8 * moved_views AND hours < greatest(:patience::float8, 3 * step) AS waits
    FROM (SELECT curved.*, exp(greatest(-30, least(45, own + curve_mid))) AS usual FROM curved OFFSET 0) AS curved
    OFFSET 0
), scored AS (
    SELECT noisy.*, NOT (waits OR fell) AS counts, sqrt(own_variance + noise) AS deviation,
        own_variance / (own_variance + noise) AS trust,
        CASE WHEN known THEN ln((gained + 1) / (expected_gain + 1)) ELSE ln((gained + 1) / expected_gain) END AS excess
    FROM (
        SELECT expected.*, spread ^ 2 + 1 / (CASE WHEN known THEN expected_gain ELSE gained END + 1) AS noise
        FROM expected OFFSET 0
    ) AS noisy OFFSET 0
), summed AS (
    SELECT rated.*, CASE
            WHEN counts THEN least(:score_most::float8, greatest(0, score - :allowance::float8
                + least(surprise, CASE WHEN step >= :long::float8 THEN :most_long::float8 ELSE :most::float8 END)))
            ELSE score
        END AS score_now,
        coalesce(base_at, moved_at) AS run_at, coalesce(base_views, moved_views) AS run_views,
        CASE WHEN breakout_at IS NULL THEN 0 WHEN NOT counts THEN below WHEN excess <= :excess_end::float8 THEN below + 1
             ELSE 0 END AS below_now
    FROM (SELECT scored.*, CASE WHEN known THEN excess / deviation ELSE 0 END AS surprise FROM scored OFFSET 0) AS rated
    OFFSET 0
), judged AS MATERIALIZED (
    -- rise: the rate since the score was 0 over the mean rate from publication until then
    SELECT summed.*, gained / hours AS rate,
        (greatest(0, views - run_views) / greatest(1.0 / 60, extract(epoch FROM observed_at - run_at)::float8 / 3600))
            / greatest(1, run_views / greatest(0.25, extract(epoch FROM run_at - born)::float8 / 3600)) AS rise,
        CASE WHEN score_now = 0 THEN 0 WHEN counts AND surprise > :allowance::float8 THEN least(above + 1, 1000)
             ELSE above END AS above_now,
        breakout_at IS NOT NULL AND NOT coalesce(gained / hours >= :always::float8, false) AND (
            below_now >= CASE WHEN step >= :long::float8 THEN 1 ELSE :readings_end::integer END
            OR observed_at - breakout_at > :longest::interval
        ) AS ended
    FROM summed
), written AS (
    INSERT INTO $schema.video_growth AS growth (
        video_id, observed_at, kind, views, views_per_hour, views_per_hour_6h, views_per_hour_24h, usual_per_hour, score,
        views_24h_low, views_24h, views_24h_high, views_7d_low, views_7d, views_7d_high,
        found_by, level, variance, moved_at, moved_views, base_at, base_views, surprise, interval_hours, above, below,
        breakout_at
    )
    SELECT id, observed_at, kind, views, (views - last_views) / step,
        CASE WHEN step >= 6 THEN (views - last_views) / step WHEN age >= 5.75 THEN (
            SELECT (judged.views - log.views) * 3600::float8
                / extract(epoch FROM judged.observed_at - log.observed_at)::float8
            FROM $schema.video_stats_log AS log
            WHERE log.video_id = judged.id AND log.views IS NOT NULL
                AND log.observed_at >= judged.observed_at - interval '13 hours'
                AND log.observed_at <= judged.observed_at - interval '5 hours 45 minutes'
            ORDER BY log.observed_at DESC LIMIT 1
        ) END,
        CASE WHEN step >= 24 THEN (views - last_views) / step WHEN age >= 23.5 THEN (
            SELECT (judged.views - log.views) * 3600::float8
                / extract(epoch FROM judged.observed_at - log.observed_at)::float8
            FROM $schema.video_stats_log AS log
            WHERE log.video_id = judged.id AND log.views IS NOT NULL
                AND log.observed_at >= judged.observed_at - interval '49 hours'
                AND log.observed_at <= judged.observed_at - interval '23 hours 30 minutes'
            ORDER BY log.observed_at DESC LIMIT 1
        ) END,
        CASE WHEN known THEN usual END, CASE WHEN ended THEN 0 ELSE score_now END,
        CASE WHEN age < 24 THEN (views + 1) * exp(to_24h_low * (ln(25) - x)) - 1 END,
        CASE WHEN age < 24 THEN (views + 1) * exp(to_24h * (ln(25) - x)) - 1 END,
        CASE WHEN age < 24 THEN (views + 1) * exp(to_24h_high * (ln(25) - x)) - 1 END,
        CASE WHEN age < 168 THEN (views + 1) * exp(to_7d_low * (ln(169) - x)) - 1 END,
        CASE WHEN age < 168 THEN (views + 1) * exp(to_7d * (ln(169) - x)) - 1 END,
        CASE WHEN age < 168 THEN (views + 1) * exp(to_7d_high * (ln(169) - x)) - 1 END,
        found_by,
        own + curve + CASE WHEN NOT counts OR (breakout_at IS NOT NULL AND NOT ended) THEN 0
            WHEN NOT known THEN trust * excess
            ELSE trust * least(greatest(excess, -:most_down::float8 * deviation), :most_up::float8 * deviation) END,
        least(CASE WHEN known THEN 4 END,
            CASE WHEN NOT counts OR (breakout_at IS NOT NULL AND NOT ended) THEN own_variance
                ELSE own_variance * (1 - trust) END + :drift::float8 * (x - x_last) + :drift_hour::float8 * step),
        CASE WHEN waits THEN moved_at ELSE observed_at END, CASE WHEN waits THEN moved_views ELSE views END,
        CASE WHEN score_now > 0 AND NOT ended THEN run_at END, CASE WHEN score_now > 0 AND NOT ended THEN run_views END,
        CASE WHEN counts THEN surprise ELSE 0 END, step, CASE WHEN ended THEN 0 ELSE above_now END,
        CASE WHEN ended THEN 0 ELSE below_now END, CASE WHEN ended THEN NULL ELSE breakout_at END
    FROM judged ORDER BY id
    ON CONFLICT (video_id) DO UPDATE SET
        observed_at = excluded.observed_at, kind = excluded.kind, views = excluded.views,
        views_per_hour = excluded.views_per_hour, views_per_hour_6h = excluded.views_per_hour_6h,
        views_per_hour_24h = excluded.views_per_hour_24h, usual_per_hour = excluded.usual_per_hour, score = excluded.score,
        views_24h_low = excluded.views_24h_low, views_24h = excluded.views_24h, views_24h_high = excluded.views_24h_high,
        views_7d_low = excluded.views_7d_low, views_7d = excluded.views_7d, views_7d_high = excluded.views_7d_high,
        found_by = excluded.found_by, level = excluded.level, variance = excluded.variance, moved_at = excluded.moved_at,
        moved_views = excluded.moved_views, base_at = excluded.base_at, base_views = excluded.base_views,
        surprise = excluded.surprise, interval_hours = excluded.interval_hours,
        above = excluded.above, below = excluded.below, breakout_at = excluded.breakout_at
    WHERE growth.observed_at < excluded.observed_at
), totals AS (
    SELECT kind, span, count(*) AS judged FROM (
        SELECT kind, CASE WHEN step >= 20 THEN 2 WHEN step >= :long::float8 THEN 1 ELSE 0 END AS span FROM judged
    ) AS spans GROUP BY kind, span
)
SELECT id AS video_id, judged.kind, totals.span, totals.judged, channel_id, views, rate AS views_per_hour,
    usual AS usual_per_hour, score_now AS score, surprise, breakout_at IS NOT NULL AS is_open, ended,
    counts AND surprise >= :surprise_step::float8 AS is_surprise,
    breakout_at IS NULL AND (coalesce(rate >= :always::float8, false) OR (
        counts AND score_now >= :min_score::float8 AND rate >= :min_rate::float8 AND excess >= :excess_least::float8
        AND (step >= :long::float8 OR (
            above_now >= :readings::integer AND (rise >= :rise_least::float8 OR excess >= :excess_alone::float8)
        ))
    )) AS is_candidate
FROM judged JOIN totals ON totals.kind = judged.kind
    AND totals.span = CASE WHEN step >= 20 THEN 2 WHEN step >= :long::float8 THEN 1 ELSE 0 END
WHERE breakout_at IS NOT NULL OR score_now >= :min_score::float8 OR rate >= :always::float8
    OR surprise >= :surprise_step::float8
ORDER BY id
