-- Open breakouts of videos that have none; return those that this statement opened. $1 ids, $2 schedule time, $3 scores,
-- $4 views, $5 views per hour, $6 usual views per hour
WITH found AS (
    SELECT * FROM unnest($1::text[], $3::real[], $4::bigint[], $5::real[], $6::real[])
        AS video (video_id, score, views, views_per_hour, usual_per_hour)
), opened AS (
    INSERT INTO $schema.breakouts (
        video_id, detected_at, score, views, views_per_hour, usual_per_hour, peak_views_per_hour
    )
    SELECT video_id, $2::timestamptz, score, views, views_per_hour, usual_per_hour, views_per_hour FROM found
    ORDER BY video_id
    ON CONFLICT (video_id) WHERE ended_at IS NULL DO NOTHING
    RETURNING video_id
), marked AS (
    UPDATE $schema.video_growth SET breakout_at = $2::timestamptz, below = 0 WHERE video_id = ANY ($1::text[])
)
SELECT video_id FROM opened ORDER BY video_id
