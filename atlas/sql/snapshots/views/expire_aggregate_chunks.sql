-- Drops the chunks of a continuous aggregate that hold nothing but buckets of before a time. $1 the time
SELECT $extension.drop_chunks('$schema.$view', older_than => $1::timestamptz)
