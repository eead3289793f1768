-- Calls that were answered ($5), and reserved calls that were never made ($6, negative), in the order of their keys.
-- $1 days, $2 fingerprints, $3 buckets, $4 slot
INSERT INTO $schema.api_calls (day, fingerprint, bucket, slot, settled, reserved)
SELECT day, fingerprint, bucket, $4, settled, reserved
FROM unnest($1::date[], $2::text[], $3::text[], $5::bigint[], $6::bigint[]) AS call (day, fingerprint, bucket, settled, reserved)
ORDER BY day, fingerprint, bucket
ON CONFLICT (day, fingerprint, bucket, slot) DO UPDATE
SET settled = api_calls.settled + excluded.settled, reserved = api_calls.reserved + excluded.reserved
