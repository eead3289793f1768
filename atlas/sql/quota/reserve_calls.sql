-- Count calls before they are made. Returns no row if the key or its bucket is suspended at the schedule time :now.
INSERT INTO $schema.api_calls (day, fingerprint, bucket, counter_shard, reserved)
SELECT :day, :fingerprint, :bucket, :counter_shard, :calls
WHERE NOT EXISTS (
    SELECT 1 FROM $schema.key_suspensions
    WHERE fingerprint = :fingerprint AND suspended_until > :now AND suspended_until <= :now + :longest::interval
        AND (bucket = :bucket OR (bucket = '*' AND pool = :pool))
)
ON CONFLICT (day, fingerprint, bucket, counter_shard) DO UPDATE SET reserved = api_calls.reserved + excluded.reserved
RETURNING 1
