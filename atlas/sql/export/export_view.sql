-- Select the rows of an export of a view. $1 from this time on, $2 before this time
SELECT * FROM $schema.$view
WHERE ($1::timestamptz IS NULL OR $time >= $1) AND ($2::timestamptz IS NULL OR $time < $2)
