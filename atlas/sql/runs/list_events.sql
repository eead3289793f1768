-- List the last events, the newest first. $1 types, $2 from this schedule time on, $3 limit
SELECT event.id, event.at, event.type, event.run, run.agent, run.shard, event.payload
FROM (
    SELECT * FROM $schema.events
    WHERE ($1::text[] IS NULL OR type = ANY ($1)) AND ($2::timestamptz IS NULL OR at >= $2)
    ORDER BY at DESC, id DESC LIMIT $3
) AS event
LEFT JOIN $schema.runs AS run ON run.id = event.run
ORDER BY event.at DESC, event.id DESC
