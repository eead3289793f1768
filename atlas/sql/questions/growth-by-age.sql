-- How fast do videos grow at which age? Median and 90th percentile of views per hour by kind and age at the reading.
SELECT (ARRAY['video', 'short', 'live'])[aged.kind] AS kind, aged.age, count(*) AS videos,
    round(percentile_cont(0.5) WITHIN GROUP (ORDER BY aged.views_per_hour)) AS median_per_hour,
    round(percentile_cont(0.9) WITHIN GROUP (ORDER BY aged.views_per_hour)) AS p90_per_hour
FROM (
    SELECT growth.kind, growth.views_per_hour,
        (ARRAY['under 6 h', '6 to 24 h', '1 to 3 days', '3 to 7 days', 'over 7 days'])[place] AS age, place
    FROM $schema.video_growth AS growth
    JOIN $schema.videos ON videos.id = growth.video_id
    CROSS JOIN LATERAL width_bucket(
        extract(epoch FROM growth.observed_at - videos.published_at) / 3600, ARRAY[0, 6, 24, 72, 168]::numeric[]
    ) AS place
    WHERE videos.published_at <= growth.observed_at
) AS aged
GROUP BY aged.kind, aged.age, aged.place
ORDER BY aged.kind, aged.place
