-- What holds now; not what ends later than any suspension can, which a clock that was ahead has written.
-- $1 fingerprints, $2 schedule time, $3 pool, $4 the longest that one can last
SELECT fingerprint, bucket, reason, suspended_at, suspended_until, quota_limit FROM $schema.key_suspensions
WHERE fingerprint = ANY ($1::text[]) AND suspended_until > $2 AND suspended_until <= $2 + $4::interval AND (bucket <> '*' OR pool = $3)
