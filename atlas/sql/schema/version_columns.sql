-- The columns of what has the name of the table of revisions, with their types; a type of that name, which a table could
-- not stand beside, is one too. None: there is nothing of that name.
SELECT attname || ' ' || format_type(atttypid, NULL) || ' ' || relkind::text AS column
FROM pg_class LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
WHERE relnamespace = to_regnamespace('$schema') AND relname = 'atlas_schema_version'
UNION ALL
SELECT 'type' FROM pg_type
WHERE typnamespace = to_regnamespace('$schema') AND typname = 'atlas_schema_version' AND typrelid = 0
    -- one that an array's name got by itself gives way
    AND NOT EXISTS (SELECT FROM pg_type AS element WHERE element.typarray = pg_type.oid)
