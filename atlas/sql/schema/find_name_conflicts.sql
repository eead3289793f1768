-- List the relations in the schema that have one of these names. $1 names
SELECT relname FROM pg_class
WHERE relnamespace = to_regnamespace('$schema') AND relname = ANY ($1::text[])
ORDER BY relname
