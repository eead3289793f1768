-- Do Shorts grow otherwise than videos and live streams? Median and 90th percentile of views per hour, and breakouts.
SELECT (ARRAY['video', 'short', 'live'])[growth.kind] AS kind, count(*) AS videos,
    round(percentile_cont(0.5) WITHIN GROUP (ORDER BY growth.views_per_hour)) AS median_per_hour,
    round(percentile_cont(0.9) WITHIN GROUP (ORDER BY growth.views_per_hour)) AS p90_per_hour,
    count(broke_out.video_id) AS broke_out
FROM $schema.video_growth AS growth
LEFT JOIN (SELECT DISTINCT video_id FROM $schema.breakouts) AS broke_out ON broke_out.video_id = growth.video_id
GROUP BY growth.kind
ORDER BY growth.kind
