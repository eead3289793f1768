-- Sum calls by bucket over all keys. $1 Pacific day, NULL for all days
SELECT bucket, sum(reserved)::bigint AS reserved, sum(settled)::bigint AS settled,
    sum(refused)::bigint AS refused
FROM $schema.api_calls
WHERE $1::date IS NULL OR day = $1::date
GROUP BY bucket
ORDER BY bucket
