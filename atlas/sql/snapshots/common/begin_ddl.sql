-- Take the advisory lock for changes of the structure, and limit later waits for tables; both end with the transaction.
-- $1 number of the lock, $2 limit of a wait
SELECT pg_advisory_xact_lock($1::bigint), set_config('lock_timeout', $2::text, true)
