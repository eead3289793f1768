-- Append events of one type. $1 schedule time, $2 type, $3 run, $4 payloads
INSERT INTO $schema.events (at, type, run, payload)
SELECT $1, $2, $3, payload FROM unnest($4::jsonb[]) WITH ORDINALITY AS event (payload, number) ORDER BY number
