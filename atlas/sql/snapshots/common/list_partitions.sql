-- List the partitions of a table in the order of time, with their sizes in pages. A bound is NULL in the default
-- partition or at an open end. $1 table
SELECT part.relname AS name, part.bound = 'DEFAULT' AS is_default,
    (regexp_match(part.bound, 'FROM \(''([^'']+)''\)'))[1]::timestamptz AS lower,
    (regexp_match(part.bound, 'TO \(''([^'']+)''\)'))[1]::timestamptz AS upper,
    pg_relation_size(part.oid) / current_setting('block_size')::bigint AS pages
FROM (
    SELECT child.oid, child.relname, pg_get_expr(child.relpartbound, child.oid) AS bound
    FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
    WHERE inhparent = to_regclass(format('$schema.%I', $1::text)) AND child.relispartition
) AS part
ORDER BY lower NULLS FIRST, name
