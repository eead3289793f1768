-- Correct the counts of calls: :settled ended, :reserved is negative for reserved calls that were never made, :refused
-- are ended calls that YouTube refused. All are arrays, in the order of the rows' keys.
-- A call is settled in the row that counts its reservation. That row never counts more settled calls than reserved ones:
-- if only the answer to this statement was lost, it is sent again.
INSERT INTO $schema.api_calls (day, fingerprint, bucket, slot, settled, reserved, refused)
SELECT day, fingerprint, bucket, slot, settled, reserved, refused
FROM unnest(:days::date[], :fingerprints::text[], :buckets::text[], :counter_shards::smallint[], :settled::bigint[],
    :reserved::bigint[], :refused::bigint[]) AS call (day, fingerprint, bucket, slot, settled, reserved, refused)
ORDER BY day, fingerprint, bucket, slot
ON CONFLICT (day, fingerprint, bucket, slot) DO UPDATE SET
    settled = least(api_calls.settled + excluded.settled, api_calls.reserved + excluded.reserved),
    reserved = api_calls.reserved + excluded.reserved,
    refused = api_calls.refused + excluded.refused
