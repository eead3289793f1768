-- Compute a continuous aggregate again where snapshots were added, changed or deleted. Not in a transaction. $1 from,
-- $2 before
CALL $extension.refresh_continuous_aggregate('$schema.$view', $1::timestamptz, $2::timestamptz)
