-- The columns of what has the name of the table of revisions, with their types; none: there is nothing of that name.
SELECT attname || ' ' || format_type(atttypid, NULL) || ' ' || relkind::text AS column
FROM pg_class LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
WHERE relnamespace = to_regnamespace('$schema') AND relname = 'atlas_schema_version'
