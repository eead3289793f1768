-- The day's calls per key and bucket. $1 day, $2 fingerprints
SELECT fingerprint, bucket, sum(reserved)::bigint AS reserved, sum(settled)::bigint AS settled FROM $schema.api_calls
WHERE day = $1 AND fingerprint = ANY ($2::text[])
GROUP BY fingerprint, bucket
