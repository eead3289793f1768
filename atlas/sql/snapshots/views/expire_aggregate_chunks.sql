-- Drop the chunks of a continuous aggregate whose buckets are all older than a time. $1 the time
SELECT $extension.drop_chunks('$schema.$view', older_than => $1::timestamptz)
