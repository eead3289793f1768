-- One bucket of a key and of every key known to be of the same project.
-- $1 fingerprint, $2 bucket, $3 reason, $4 schedule time, $5 until, $6 project, $7 limit
WITH known AS (
    INSERT INTO api_keys (fingerprint, project, updated_at) VALUES ($1, $6, $4)
    ON CONFLICT (fingerprint) DO UPDATE SET project = coalesce(excluded.project, api_keys.project), updated_at = $4
), together AS (
    SELECT $1::text AS fingerprint UNION SELECT fingerprint FROM api_keys WHERE project = $6
)
INSERT INTO key_suspensions (fingerprint, bucket, reason, suspended_at, suspended_until, quota_limit)
SELECT fingerprint, $2, $3, $4, $5, $7 FROM together ORDER BY fingerprint
ON CONFLICT (fingerprint, bucket) DO UPDATE SET
    reason = excluded.reason, suspended_at = excluded.suspended_at, suspended_until = excluded.suspended_until,
    quota_limit = excluded.quota_limit
