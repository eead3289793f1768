-- Lock and delete a batch of keys that were last updated before a time and have no later suspension, the oldest first.
-- $1 before, $2 whether to delete, $3 batch size; continue after: $4 time, $5 ctid of the row
WITH expired AS (
    SELECT updated_at, ctid AS place FROM $schema.api_keys
    WHERE updated_at < $1::timestamptz
        AND (updated_at, ctid) > (coalesce($4::timestamptz, '-infinity'), coalesce($5::tid, '(0,0)'))
        AND NOT EXISTS (
            SELECT 1 FROM $schema.key_suspensions
            WHERE key_suspensions.fingerprint = api_keys.fingerprint AND suspended_until >= $1::timestamptz
        )
    ORDER BY updated_at, ctid
    LIMIT $3
    FOR UPDATE SKIP LOCKED
), deleted AS (
    DELETE FROM $schema.api_keys WHERE ctid = ANY (ARRAY(SELECT place FROM expired WHERE $2::boolean))
)
SELECT updated_at, place FROM expired ORDER BY updated_at, place
