-- Whether a table of that name is there. Asked of the catalog itself: what the session remembers of names may be of
-- before it waited for the lock. $1 the name
SELECT EXISTS (SELECT FROM pg_class WHERE relname = $1::text AND relnamespace = '$schema'::regnamespace)
