-- $1 rows with a time from this one on, $2 and before this one
SELECT * FROM $schema.$view
WHERE ($1::timestamptz IS NULL OR $time >= $1) AND ($2::timestamptz IS NULL OR $time < $2)
