-- Select the suspensions in force at a schedule time. One that ends later than a suspension can last was written by a
-- clock that was ahead, and is left out. $1 fingerprints, $2 schedule time, $3 version of the key pool, $4 longest suspension
SELECT fingerprint, bucket, reason, suspended_until FROM $schema.key_suspensions
WHERE fingerprint = ANY ($1::text[]) AND suspended_until > $2 AND suspended_until <= $2 + $4::interval
    AND (bucket <> '*' OR pool = $3)
