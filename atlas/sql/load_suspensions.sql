-- What holds now. $1 fingerprints, $2 schedule time, $3 pool
SELECT fingerprint, bucket, reason, suspended_at, suspended_until, quota_limit FROM $schema.key_suspensions
WHERE fingerprint = ANY ($1::text[]) AND suspended_until > $2 AND (bucket <> '*' OR pool = $3)
