-- How a process ended, and the events of it; done again after a lost connection, it writes nothing twice.
-- $1 id, $2 finished, $3 outcome, $4 exit code, $5 stats, $6 error, $7 schedule time, $8 types of the events,
-- $9 their payloads
WITH ended AS (
    UPDATE $schema.runs SET finished_at = $2, outcome = $3, exit_code = $4, stats = $5, error = $6
    WHERE id = $1 AND finished_at IS NULL
    RETURNING id
)
INSERT INTO $schema.events (at, type, run, payload)
SELECT $7, event.type, ended.id, event.payload
FROM ended, unnest($8::text[], $9::jsonb[]) WITH ORDINALITY AS event (type, payload, number) ORDER BY number
