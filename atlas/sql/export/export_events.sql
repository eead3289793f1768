-- Select the rows of an export. $1 from this time on, $2 before this time
SELECT id, at, type, run::text AS run, payload FROM $schema.events
WHERE ($1::timestamptz IS NULL OR at >= $1) AND ($2::timestamptz IS NULL OR at < $2)
