-- Suspend one bucket of a key, and of every key known to be of the same project. Returns those that were not suspended before.
-- The key's row is locked first, and everything below reads from it, so that shards cannot deadlock.
WITH known AS (
    INSERT INTO $schema.api_keys (fingerprint, project, updated_at) VALUES (:fingerprint, :project, :now)
    ON CONFLICT (fingerprint) DO UPDATE SET project = coalesce(excluded.project, api_keys.project), updated_at = :now
    RETURNING fingerprint, project
), together AS (
    SELECT fingerprint FROM known
    UNION SELECT api_keys.fingerprint FROM known JOIN $schema.api_keys ON api_keys.project = known.project
)
INSERT INTO $schema.key_suspensions (fingerprint, bucket, reason, suspended_at, suspended_until, quota_limit)
SELECT fingerprint, :bucket, :reason, :now, :until, :limit FROM together ORDER BY fingerprint
ON CONFLICT (fingerprint, bucket) DO UPDATE SET
    reason = excluded.reason, suspended_at = excluded.suspended_at, suspended_until = excluded.suspended_until,
    quota_limit = coalesce(excluded.quota_limit, key_suspensions.quota_limit)
WHERE key_suspensions.suspended_until <= excluded.suspended_at
    OR key_suspensions.suspended_until > excluded.suspended_at + :longest::interval
RETURNING fingerprint
