-- Select the rows of an export, without the detector's state. $1 observed from this time on, $2 before this time
SELECT video_id, observed_at, kind, views, views_per_hour, views_per_hour_6h, views_per_hour_24h, usual_per_hour, score,
    views_24h_low, views_24h, views_24h_high, views_7d_low, views_7d, views_7d_high
FROM $schema.video_growth
WHERE ($1::timestamptz IS NULL OR observed_at >= $1) AND ($2::timestamptz IS NULL OR observed_at < $2)
