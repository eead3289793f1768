-- Add evidence to the open freeze, or open one. Enough videos and channels confirm it; `confirmed` is true only for the
-- statement that confirmed it. Repeated after a lost connection, its videos may count twice.
-- $1 first snapshot that stood still, $2 videos, $3 channels, $4 videos to confirm, $5 channels to confirm, $6 schedule time,
-- $7 token of this statement
INSERT INTO $schema.count_freezes AS known (started_at, videos, channels, confirmed_at, token)
SELECT $1::timestamptz, $2::integer, $3::integer, CASE WHEN $2 >= $4 AND $3 >= $5 THEN $6::timestamptz END,
    CASE WHEN $2 >= $4 AND $3 >= $5 THEN $7::uuid END
ON CONFLICT ((ended_at IS NULL)) WHERE ended_at IS NULL DO UPDATE SET
    started_at = least(known.started_at, excluded.started_at),
    videos = known.videos + excluded.videos,
    channels = greatest(known.channels, excluded.channels),
    confirmed_at = CASE
        WHEN known.confirmed_at IS NULL
            AND known.videos + excluded.videos >= $4 AND greatest(known.channels, excluded.channels) >= $5
            THEN $6::timestamptz ELSE known.confirmed_at
    END,
    token = CASE
        WHEN known.confirmed_at IS NULL
            AND known.videos + excluded.videos >= $4 AND greatest(known.channels, excluded.channels) >= $5
            THEN $7::uuid ELSE known.token
    END
RETURNING started_at, videos, channels, coalesce(token = $7::uuid, false) AS confirmed
