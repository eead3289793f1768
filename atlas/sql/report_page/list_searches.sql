-- List how many searches each of the Hunter's latest runs made, for counting by day. $1 started from this real time on, $2
-- limit
SELECT started_at, (stats ->> 'searches')::numeric::bigint AS searches
FROM $schema.runs
WHERE started_at >= $1::timestamptz AND agent = 'hunter' AND jsonb_typeof(stats -> 'searches') = 'number'
ORDER BY started_at DESC
LIMIT $2::bigint
