-- Claim the subjects that had no notification within the interval; count the events of the others as suppressed.
-- `notified` is the number of events that the last message stands for. Repeated with the same token after a lost
-- connection, it claims the same subjects.
-- $1 types, $2 subjects, $3 numbers of events, $4 token of this claim, $5 interval
WITH claimed AS (
    INSERT INTO $schema.notifications AS known (type, subject, notified_at, token, notified)
    SELECT type, subject, now(), $4, number
    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS thing (type, subject, number)
    ORDER BY type, subject
    ON CONFLICT (type, subject) DO UPDATE SET
        notified_at = CASE WHEN known.notified_at <= now() - $5::interval THEN now() ELSE known.notified_at END,
        token = CASE WHEN known.notified_at <= now() - $5::interval THEN excluded.token ELSE known.token END,
        notified = CASE WHEN known.notified_at <= now() - $5::interval THEN known.suppressed + excluded.notified
                    ELSE known.notified END,
        suppressed = CASE WHEN known.notified_at <= now() - $5::interval THEN 0
                          WHEN known.token = excluded.token THEN known.suppressed
                          ELSE known.suppressed + excluded.notified END
    RETURNING type, subject, notified, token
)
SELECT type, subject, notified FROM claimed WHERE token = $4
