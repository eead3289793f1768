-- Calls that ended ($5), reserved calls that were never made ($6, negative), and those of the ended that were refused ($7),
-- in the order of their keys.
-- $1 days, $2 fingerprints, $3 buckets, $4 slot
INSERT INTO $schema.api_calls (day, fingerprint, bucket, slot, settled, reserved, refused)
SELECT day, fingerprint, bucket, $4, settled, reserved, refused
FROM unnest($1::date[], $2::text[], $3::text[], $5::bigint[], $6::bigint[], $7::bigint[])
    AS call (day, fingerprint, bucket, settled, reserved, refused)
ORDER BY day, fingerprint, bucket
ON CONFLICT (day, fingerprint, bucket, slot) DO UPDATE SET
    settled = api_calls.settled + excluded.settled,
    reserved = api_calls.reserved + excluded.reserved,
    refused = api_calls.refused + excluded.refused
