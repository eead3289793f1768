-- Lifts every suspension of the keys whose fingerprint begins so, and of keys of the same project. $1 prefix
WITH meant AS (
    SELECT fingerprint FROM $schema.key_suspensions WHERE starts_with(fingerprint, $1)
    UNION SELECT fingerprint FROM $schema.api_keys WHERE starts_with(fingerprint, $1)
), together AS (
    SELECT fingerprint FROM meant
    UNION SELECT sibling.fingerprint FROM $schema.api_keys AS key
    JOIN $schema.api_keys AS sibling ON sibling.project = key.project
    WHERE key.fingerprint IN (SELECT fingerprint FROM meant)
)
DELETE FROM $schema.key_suspensions WHERE fingerprint IN (SELECT fingerprint FROM together)
RETURNING fingerprint, bucket, reason
