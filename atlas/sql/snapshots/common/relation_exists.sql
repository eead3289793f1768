-- Return whether a relation of that name exists. Reads the catalog: a session's cache of names may be older than its
-- wait for a lock. $1 the name
SELECT EXISTS (SELECT FROM pg_class WHERE relname = $1::text AND relnamespace = '$schema'::regnamespace)
