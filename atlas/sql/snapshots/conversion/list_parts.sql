-- List the partitions of a table with their sizes in pages, the newest first, the default one last. $1 the table
SELECT child.relname AS name, pg_relation_size(child.oid) / current_setting('block_size')::bigint AS pages
FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent = to_regclass(format('$schema.%I', $1::text))
ORDER BY pg_get_expr(child.relpartbound, child.oid) = 'DEFAULT', child.relname DESC
