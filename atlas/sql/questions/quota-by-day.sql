-- What did each Pacific day cost? Calls by bucket; refused ones cost no quota.
SELECT day, bucket, sum(reserved - refused)::bigint AS spent, sum(refused)::bigint AS refused,
    count(DISTINCT fingerprint) AS keys
FROM $schema.api_calls
GROUP BY day, bucket
ORDER BY day DESC, bucket
LIMIT 100
