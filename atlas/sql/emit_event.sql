-- $1 schedule time, $2 type, $3 run, $4 payload
INSERT INTO $schema.events (at, type, run, payload) VALUES ($1, $2, $3, $4)
