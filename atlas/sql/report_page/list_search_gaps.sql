-- List the latest parts of search windows that were not read; `number` counts all. $1 from this schedule time on, $2 limit
SELECT at, payload, count(*) OVER () AS number
FROM $schema.events
WHERE type = 'search_gap' AND at >= $1::timestamptz
ORDER BY at DESC, id DESC
LIMIT $2::bigint
