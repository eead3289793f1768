-- Raise the peak of open breakouts, and end some. $1 ids, $2 views per hour, $3 whether it has ended, $4 schedule time
UPDATE $schema.breakouts SET peak_views_per_hour = greatest(peak_views_per_hour, rate),
    ended_at = CASE WHEN ended THEN $4::timestamptz END
FROM unnest($1::text[], $2::real[], $3::boolean[]) AS video (id, rate, ended)
WHERE breakouts.video_id = video.id AND ended_at IS NULL AND (ended OR peak_views_per_hour < rate)
