-- Allow one change of the structure at a time, and bound later waits for tables; both end with the transaction.
-- $1 number of the lock, $2 longest wait for a table
SELECT pg_advisory_xact_lock($1::bigint), set_config('lock_timeout', $2::text, true)
