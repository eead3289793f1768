-- Every half hour brings a continuous aggregate up to the last whole bucket, from the beginning on: where snapshots came
-- late or were deleted, it computes that time again. The oldest first, so that what is read is whole at any moment.
SELECT $extension.add_continuous_aggregate_policy(
    '$schema.$view', start_offset => NULL, end_offset => INTERVAL '1 hour', schedule_interval => INTERVAL '30 minutes',
    refresh_newest_first => false)
