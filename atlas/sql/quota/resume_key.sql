-- End every suspension of the keys whose fingerprint begins with a prefix, and of the keys of their projects, and remove
-- the limits that YouTube named. It deletes nothing, so an agent may do it. $1 prefixes, $2 schedule time
WITH meant AS (
    SELECT fingerprint FROM $schema.key_suspensions, unnest($1::text[]) AS prefix WHERE starts_with(fingerprint, prefix)
    UNION SELECT fingerprint FROM $schema.api_keys, unnest($1::text[]) AS prefix WHERE starts_with(fingerprint, prefix)
), together AS (
    SELECT fingerprint FROM meant
    UNION SELECT sibling.fingerprint FROM $schema.api_keys AS key
    JOIN $schema.api_keys AS sibling ON sibling.project = key.project
    WHERE key.fingerprint IN (SELECT fingerprint FROM meant)
)
UPDATE $schema.key_suspensions SET suspended_until = least(suspended_until, $2::timestamptz), quota_limit = NULL
WHERE fingerprint IN (SELECT fingerprint FROM together) AND (suspended_until > $2 OR quota_limit IS NOT NULL)
RETURNING fingerprint, bucket, reason
