-- Sum a day's calls per key and bucket: those that cost quota, in flight or answered, and those that were refused.
-- $1 day, $2 fingerprints
SELECT fingerprint, bucket, sum(reserved - refused)::bigint AS spent, sum(refused)::bigint AS refused
FROM $schema.api_calls
WHERE day = $1 AND fingerprint = ANY ($2::text[])
GROUP BY fingerprint, bucket
