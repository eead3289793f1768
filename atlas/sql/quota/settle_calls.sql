-- Correct the counts of calls: :settled counts calls that ended, :reserved is negative for reserved calls that were never
-- made, :refused counts ended calls that YouTube refused. All are arrays, in the order of the rows' keys.
-- A call is settled in the row that counts its reservation. A row never counts more settled calls than reserved ones, so
-- the statement can be sent again if its answer was lost.
INSERT INTO $schema.api_calls (day, fingerprint, bucket, counter_shard, settled, reserved, refused)
SELECT day, fingerprint, bucket, counter_shard, settled, reserved, refused
FROM unnest(:days::date[], :fingerprints::text[], :buckets::text[], :counter_shards::smallint[], :settled::bigint[],
    :reserved::bigint[], :refused::bigint[]) AS call (day, fingerprint, bucket, counter_shard, settled, reserved, refused)
ORDER BY day, fingerprint, bucket, counter_shard
ON CONFLICT (day, fingerprint, bucket, counter_shard) DO UPDATE SET
    settled = least(api_calls.settled + excluded.settled, api_calls.reserved + excluded.reserved),
    reserved = api_calls.reserved + excluded.reserved,
    refused = api_calls.refused + excluded.refused
