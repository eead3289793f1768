-- Claim the things that had no notification within the interval; count the events of the others as suppressed.
-- told: how many events the last message stands for. Done again after a lost connection, it claims the same things.
-- $1 types, $2 subjects, $3 how many events each stands for, $4 token of this claim, $5 interval
WITH claimed AS (
    INSERT INTO $schema.notifications AS known (type, subject, told_at, token, told)
    SELECT type, subject, now(), $4, number
    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS thing (type, subject, number)
    ORDER BY type, subject
    ON CONFLICT (type, subject) DO UPDATE SET
        told_at = CASE WHEN known.told_at <= now() - $5::interval THEN now() ELSE known.told_at END,
        token = CASE WHEN known.told_at <= now() - $5::interval THEN excluded.token ELSE known.token END,
        told = CASE WHEN known.told_at <= now() - $5::interval THEN known.suppressed + excluded.told
                    ELSE known.told END,
        suppressed = CASE WHEN known.told_at <= now() - $5::interval THEN 0
                          WHEN known.token = excluded.token THEN known.suppressed
                          ELSE known.suppressed + excluded.told END
    RETURNING type, subject, told, token
)
SELECT type, subject, told FROM claimed WHERE token = $4
