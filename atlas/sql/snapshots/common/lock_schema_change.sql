-- One change of the structure of snapshots at a time, until the end of the transaction. $1 the lock's number
SELECT pg_advisory_xact_lock($1::bigint)
