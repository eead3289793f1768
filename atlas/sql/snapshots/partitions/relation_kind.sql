-- Return the kind of a relation (p: a partitioned table), or no row. Reads the catalog, since a
-- session's cache of names may be older than its wait for a lock. $1 the name
SELECT relkind::text FROM pg_class WHERE relname = $1::text AND relnamespace = '$schema'::regnamespace
