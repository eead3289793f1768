-- A whole key. Returns it if it was open until now.
-- $1 fingerprint, $2 reason, $3 schedule time, $4 until, $5 pool, $6 project, $7 the longest that one can last
WITH known AS (
    INSERT INTO $schema.api_keys (fingerprint, project, updated_at) VALUES ($1, $6, $3)
    ON CONFLICT (fingerprint) DO UPDATE SET project = coalesce(excluded.project, api_keys.project), updated_at = $3
    RETURNING fingerprint
)
INSERT INTO $schema.key_suspensions (fingerprint, bucket, reason, suspended_at, suspended_until, pool)
SELECT fingerprint, '*', $2, $3, $4, $5 FROM known
ON CONFLICT (fingerprint, bucket) DO UPDATE SET
    reason = excluded.reason, suspended_at = excluded.suspended_at, suspended_until = excluded.suspended_until,
    pool = excluded.pool
WHERE key_suspensions.suspended_until <= excluded.suspended_at
    OR key_suspensions.suspended_until > excluded.suspended_at + $7::interval
    OR key_suspensions.pool IS DISTINCT FROM excluded.pool
RETURNING fingerprint
