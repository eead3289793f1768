-- What others have under names that the revisions need: relations, the types that tables and views bring along, and
-- functions. $1 names of tables and views, $2 names of indexes, $3 names of functions
SELECT kind || ' ' || name AS obstacle
FROM (
    SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
                        WHEN 'c' THEN 'type' WHEN 'f' THEN 'foreign table' WHEN 'i' THEN 'index' WHEN 'I' THEN 'index'
                        ELSE 'table' END, relname::text
    FROM pg_class
    WHERE relnamespace = to_regnamespace('$schema') AND relname = ANY ($1::text[] || $2::text[])
    UNION ALL
    SELECT 'type', typname::text FROM pg_type
    WHERE typnamespace = to_regnamespace('$schema') AND typname = ANY ($1::text[]) AND typrelid = 0
        -- one that an array's name got by itself gives way
        AND NOT EXISTS (SELECT FROM pg_type AS element WHERE element.typarray = pg_type.oid)
    UNION ALL
    SELECT 'function', proname::text FROM pg_proc
    WHERE pronamespace = to_regnamespace('$schema') AND proname = ANY ($3::text[])
) AS found (kind, name)
ORDER BY kind, name
