-- Select the limit that YouTube last named for each bucket of keys, also in past suspensions. $1 fingerprints
SELECT fingerprint, bucket, quota_limit FROM $schema.key_suspensions
WHERE fingerprint = ANY ($1::text[]) AND quota_limit IS NOT NULL
