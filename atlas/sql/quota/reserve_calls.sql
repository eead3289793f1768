-- Counts calls before they are made, unless the key or its bucket is suspended: then no row comes back.
-- $1 day, $2 fingerprint, $3 bucket, $4 slot, $5 calls, $6 schedule time, $7 pool,
-- $8 the longest that a suspension can last
INSERT INTO $schema.api_calls (day, fingerprint, bucket, slot, reserved)
SELECT $1, $2, $3, $4, $5
WHERE NOT EXISTS (
    SELECT 1 FROM $schema.key_suspensions
    WHERE fingerprint = $2 AND suspended_until > $6 AND suspended_until <= $6 + $8::interval
        AND (bucket = $3 OR (bucket = '*' AND pool = $7))
)
ON CONFLICT (day, fingerprint, bucket, slot) DO UPDATE SET reserved = api_calls.reserved + excluded.reserved
RETURNING 1
