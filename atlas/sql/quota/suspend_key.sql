-- Suspend a whole key. Returns it if it was not suspended before.
WITH known AS (
    INSERT INTO $schema.api_keys (fingerprint, project, updated_at) VALUES (:fingerprint, :project, :now)
    ON CONFLICT (fingerprint) DO UPDATE SET project = coalesce(excluded.project, api_keys.project), updated_at = :now
    RETURNING fingerprint
)
INSERT INTO $schema.key_suspensions (fingerprint, bucket, reason, suspended_at, suspended_until, pool)
SELECT fingerprint, '*', :reason, :now, :until, :pool FROM known
ON CONFLICT (fingerprint, bucket) DO UPDATE SET
    reason = excluded.reason, suspended_at = excluded.suspended_at, suspended_until = excluded.suspended_until,
    pool = excluded.pool
WHERE key_suspensions.suspended_until <= excluded.suspended_at
    OR key_suspensions.suspended_until > excluded.suspended_at + :longest::interval
    OR key_suspensions.pool IS DISTINCT FROM excluded.pool
RETURNING fingerprint
