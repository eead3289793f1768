-- Select the rows of an export. $1 started from this time on, $2 before this time
SELECT id, started_at, ended_at, confirmed_at, videos, channels FROM $schema.count_freezes
WHERE ($1::timestamptz IS NULL OR started_at >= $1) AND ($2::timestamptz IS NULL OR started_at < $2)
