-- Refresh a continuous aggregate every half hour from the beginning up to the last whole bucket: only time with late or
-- deleted snapshots is computed again. The oldest first, so that it is complete up to some time at any moment.
SELECT $extension.add_continuous_aggregate_policy(
    '$schema.$view', start_offset => NULL, end_offset => INTERVAL '1 hour', schedule_interval => INTERVAL '30 minutes',
    refresh_newest_first => false)
