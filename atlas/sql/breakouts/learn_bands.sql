-- Learn the typical curve of each kind from a sample of videos, and write it to growth_bands: within each band of ages the
-- slope of the logarithm of the rate (the median of the slopes between a video's neighbouring bands), the spread of
-- successive rates, the wave of the day, and how much views still grow until 24 h and 7 days, by unit of the scale of
-- ages. Bands with few videos keep the numbers that hold until anything is learnt.
-- :now, :since the oldest snapshot that counts; the other parameters are in atlas/policy.py
WITH still AS MATERIALIZED (
    SELECT coalesce(range_agg(tstzrange(started_at, ended_at)), '{}') AS times FROM $schema.count_freezes
), sample AS MATERIALIZED (
    SELECT * FROM (
        SELECT id, category_id, coalesce(published_at, first_seen_at) AS born,
            CASE WHEN duration = interval '0' THEN 3 WHEN duration <= :short::interval THEN 2 ELSE 1 END AS kind,
            row_number() OVER (PARTITION BY CASE WHEN duration = interval '0' THEN 3
                WHEN duration <= :short::interval THEN 2 ELSE 1 END ORDER BY random()) AS place
        FROM $schema.videos
            TABLESAMPLE SYSTEM ((
                SELECT least(100.0, 100.0 * :pages::integer / greatest(1, pg_relation_size('$schema.videos') / 8192))
            ))
    ) AS found WHERE place <= :videos::integer
), readings AS MATERIALIZED (
    SELECT sample.id, kind, log.views, log.observed_at AS at,
        ln(1 + greatest(0, extract(epoch FROM log.observed_at - born)::float8 / 3600)) AS x,
        greatest(0, extract(epoch FROM log.observed_at - born)::float8 / 3600) AS age
    FROM sample
    CROSS JOIN LATERAL (
        SELECT observed_at, views FROM $schema.video_stats_log AS log
        WHERE log.video_id = sample.id AND log.views IS NOT NULL AND log.observed_at >= :since::timestamptz
            AND NOT log.observed_at <@ (SELECT times FROM still)
    ) AS log
), gaps AS MATERIALIZED (
    SELECT id, kind, (x + before_x) / 2 AS x, views - before_views AS gain, age - before_age AS hours,
        2 * pi() * extract(epoch FROM at - (at - before_at) / 2)::float8 / 86400 AS angle,
        sin(pi() * (age - before_age) / 24) / (pi() * (age - before_age) / 24) AS wave
    FROM (
        SELECT readings.*, lag(x) OVER video AS before_x, lag(views) OVER video AS before_views,
            lag(age) OVER video AS before_age, lag(at) OVER video AS before_at
        FROM readings WINDOW video AS (PARTITION BY id ORDER BY age)
    ) AS pairs
    WHERE age > before_age
), steps AS MATERIALIZED (
    -- from one rate to the next of the same video, with the change of the time of day
    SELECT kind, least(:bands::integer - 1, floor(x / :width::float8)::integer) AS band, x - lag(x) OVER video AS step,
        ln(gain / hours) - lag(ln(gain / hours)) OVER video AS change,
        wave * cos(angle) - lag(wave * cos(angle)) OVER video AS change_cos,
        wave * sin(angle) - lag(wave * sin(angle)) OVER video AS change_sin, hours
    FROM gaps WHERE gain >= 30 WINDOW video AS (PARTITION BY id ORDER BY x)
), days AS MATERIALIZED (
    -- the wave of the day, by least squares
    SELECT kind, (cy * ss - sy * cs) / determinant AS day_cos, (sy * cc - cy * cs) / determinant AS day_sin
    FROM (
        SELECT kind, cc, ss, cs, cy, sy, cc * ss - cs ^ 2 AS determinant
        FROM (
            SELECT kind, sum(change_cos ^ 2) AS cc, sum(change_sin ^ 2) AS ss, sum(change_cos * change_sin) AS cs,
                sum(change_cos * limited) AS cy, sum(change_sin * limited) AS sy
            FROM (SELECT steps.*, least(1.5, greatest(-1.5, change)) AS limited FROM steps WHERE hours < 8) AS changes
            WHERE limited IS NOT NULL
            GROUP BY kind HAVING count(*) >= 10 * :pairs::integer
        ) AS sums
    ) AS solved
    WHERE determinant > 0.1 * cc * ss AND cc > 0 AND ss > 0
), parts AS (
    SELECT id, kind, least(:bands::integer - 1, floor(x / :width::float8)::integer) AS band, avg(x) AS x,
        ln(sum(gain) / sum(hours)) AS rate
    FROM gaps GROUP BY 1, 2, 3 HAVING sum(gain) >= 10
), segments AS (
    SELECT kind, band, (next_rate - rate) / (next_x - x) AS slope
    FROM (
        SELECT parts.*, lead(rate) OVER video AS next_rate, lead(x) OVER video AS next_x, lead(band) OVER video AS next_band
        FROM parts WINDOW video AS (PARTITION BY id ORDER BY band)
    ) AS neighbours
    WHERE next_band = band + 1 AND next_x - x > :width::float8 / 4
), slopes AS MATERIALIZED (
    SELECT kind, band, greatest(:slope_least::float8, least(:slope_most::float8,
            percentile_cont(0.5) WITHIN GROUP (ORDER BY slope))) AS slope, count(*) AS pairs
    FROM segments GROUP BY kind, band HAVING count(*) >= :pairs::integer
), fitted AS (
    SELECT kind, band, percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(
            change - coalesce(day_cos, 0) * change_cos - coalesce(day_sin, 0) * change_sin - :slope::float8 * step
        )) * 1.4826 / sqrt(2) AS spread
    FROM steps LEFT JOIN days USING (kind)
    WHERE change IS NOT NULL AND step < :width::float8 GROUP BY kind, band HAVING count(*) >= :pairs::integer
), onsets AS (
    -- how the next rate relates to the mean rate since publication; after an hourly reading, over two intervals
    SELECT kind, least(:bands::integer - 1, floor(x / :width::float8)::integer) AS band,
        percentile_cont(ARRAY[0.16, 0.5, 0.84]) WITHIN GROUP (ORDER BY
            ln((greatest(0, later_views - views) + 0.5) / (later_age - age)) - ln(views + 1::float8) + x) AS quantiles
    FROM (
        SELECT kind, x, views, age,
            CASE WHEN lead(age) OVER video - age < :long::float8
                THEN coalesce(lead(age, 2) OVER video, lead(age) OVER video) ELSE lead(age) OVER video END AS later_age,
            CASE WHEN lead(age) OVER video - age < :long::float8
                THEN coalesce(lead(views, 2) OVER video, lead(views) OVER video) ELSE lead(views) OVER video END
                AS later_views
        FROM readings WINDOW video AS (PARTITION BY id ORDER BY age)
    ) AS pairs
    WHERE views >= 1 AND later_age > age GROUP BY kind, band HAVING count(*) >= :pairs::integer
), ends AS MATERIALIZED (
    -- the logarithm of the views at an age, between the readings around it
    SELECT id, target, ln(views + 1::float8)
        + (ln(next_views + 1::float8) - ln(views + 1::float8)) * (target - x) / (next_x - x) AS log_views
    FROM (
        SELECT readings.*, lead(x) OVER video AS next_x, lead(views) OVER video AS next_views
        FROM readings WINDOW video AS (PARTITION BY id ORDER BY x)
    ) AS pairs
    JOIN (VALUES (ln(25::float8)), (ln(169::float8))) AS age (target) ON x <= target AND next_x > target
    WHERE next_x - x < :width::float8
), growths AS (
    SELECT kind, least(:bands::integer - 1, floor(x / :width::float8)::integer) AS band, target,
        (ends.log_views - ln(views + 1::float8)) / (target - x) AS growth
    FROM readings JOIN ends ON ends.id = readings.id AND x < target - 0.01
), forecasts AS (
    SELECT kind, band, target, percentile_cont(ARRAY[0.1, 0.5, 0.9]) WITHIN GROUP (ORDER BY growth) AS quantiles
    FROM growths GROUP BY kind, band, target HAVING count(*) >= :pairs::integer
), bands AS (
    SELECT kind, band, coalesce(slopes.slope, :slope::float8) AS slope, coalesce(slopes.pairs, 0) AS pairs
    FROM generate_series(1, 3) AS kind CROSS JOIN generate_series(0, :bands::integer - 1) AS band
    LEFT JOIN slopes USING (kind, band)
), curve AS MATERIALIZED (
    SELECT bands.*, coalesce(:width::float8 * sum(slope) OVER (
            PARTITION BY kind ORDER BY band ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), 0) AS rate
    FROM bands
), written AS (
    INSERT INTO $schema.growth_bands AS known (
        kind, band, rate, slope, spread, pairs, onset, onset_spread, day_cos, day_sin,
        to_24h_low, to_24h, to_24h_high, to_7d_low, to_7d, to_7d_high, learnt_at
    )
    SELECT curve.kind, curve.band, curve.rate, curve.slope,
        coalesce(fitted.spread, :spread::float8), curve.pairs,
        onsets.quantiles[2], (onsets.quantiles[3] - onsets.quantiles[1]) / 2,
        coalesce(days.day_cos, 0), coalesce(days.day_sin, 0),
        day.quantiles[1], day.quantiles[2], day.quantiles[3], week.quantiles[1], week.quantiles[2], week.quantiles[3],
        :now::timestamptz
    FROM curve
    LEFT JOIN fitted USING (kind, band)
    LEFT JOIN onsets USING (kind, band)
    LEFT JOIN days ON days.kind = curve.kind
    LEFT JOIN forecasts AS day ON day.kind = curve.kind AND day.band = curve.band AND day.target < 4
    LEFT JOIN forecasts AS week ON week.kind = curve.kind AND week.band = curve.band AND week.target > 4
    ORDER BY 1, 2
    ON CONFLICT (kind, band) DO UPDATE SET
        rate = excluded.rate, slope = excluded.slope, spread = excluded.spread, pairs = excluded.pairs,
        onset = excluded.onset, onset_spread = excluded.onset_spread,
        day_cos = excluded.day_cos, day_sin = excluded.day_sin,
        to_24h_low = excluded.to_24h_low, to_24h = excluded.to_24h, to_24h_high = excluded.to_24h_high,
        to_7d_low = excluded.to_7d_low, to_7d = excluded.to_7d, to_7d_high = excluded.to_7d_high,
        learnt_at = excluded.learnt_at
), lasts AS (
    SELECT DISTINCT ON (id) id, kind, category_id,
        parts.rate - curve.rate - curve.slope * (x - :width::float8 * band) AS level
    FROM parts JOIN curve USING (kind, band) JOIN sample USING (id, kind)
    ORDER BY id, band DESC
), levels AS MATERIALIZED (
    SELECT kind, coalesce(category_id, -1) AS category_id, percentile_cont(0.5) WITHIN GROUP (ORDER BY level) AS level,
        (percentile_cont(0.84) WITHIN GROUP (ORDER BY level) - percentile_cont(0.16) WITHIN GROUP (ORDER BY level)) / 2
            AS spread,
        count(*) AS videos
    FROM lasts GROUP BY GROUPING SETS ((kind, category_id), (kind))
    HAVING count(*) >= :pairs::integer AND (GROUPING(category_id) = 1 OR category_id IS NOT NULL)
)
INSERT INTO $schema.growth_levels AS known (kind, category_id, level, spread, videos, learnt_at)
SELECT kind, category_id, level, greatest(spread, 0.5), videos, :now FROM levels ORDER BY 1, 2
ON CONFLICT (kind, category_id) DO UPDATE SET
    level = excluded.level, spread = excluded.spread, videos = excluded.videos, learnt_at = excluded.learnt_at
