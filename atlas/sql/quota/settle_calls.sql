-- Calls that ended ($5), reserved calls that were never made ($6, negative), and those of the ended that were refused ($7),
-- in the order of their keys.
-- A call is settled in the row in which it was reserved, which never counts more settled calls than reserved ones: where
-- only the answer to this statement was lost, it is sent again.
-- $1 days, $2 fingerprints, $3 buckets, $4 slots
INSERT INTO $schema.api_calls (day, fingerprint, bucket, slot, settled, reserved, refused)
SELECT day, fingerprint, bucket, slot, settled, reserved, refused
FROM unnest($1::date[], $2::text[], $3::text[], $4::smallint[], $5::bigint[], $6::bigint[], $7::bigint[])
    AS call (day, fingerprint, bucket, slot, settled, reserved, refused)
ORDER BY day, fingerprint, bucket, slot
ON CONFLICT (day, fingerprint, bucket, slot) DO UPDATE SET
    settled = least(api_calls.settled + excluded.settled, api_calls.reserved + excluded.reserved),
    reserved = api_calls.reserved + excluded.reserved,
    refused = api_calls.refused + excluded.refused
