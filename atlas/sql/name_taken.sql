-- Whether a table of that name is there. $1 the name
SELECT to_regclass(format('$schema.%I', $1::text)) IS NOT NULL
