-- Move the rows of a range from one table to another. Reads the first one whole. $1 from, $2 before
WITH moved AS (
    DELETE FROM $schema.$source
    WHERE observed_at >= $1::timestamptz AND observed_at < $2::timestamptz
    RETURNING video_id, observed_at, views, likes, comments
)
INSERT INTO $schema.$target (video_id, observed_at, views, likes, comments)
SELECT video_id, observed_at, views, likes, comments FROM moved
