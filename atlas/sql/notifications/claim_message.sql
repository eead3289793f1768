-- Count one message towards the limit of an hour; return a row if it may be sent. While other events are held, only the
-- message about them may be sent, so that nothing is sent twice. Repeated after a lost connection, it counts twice.
-- $1 most messages in an hour; NULL: any number, $2 whether this is the message about held events
INSERT INTO $schema.notifications AS known (type, subject, notified_at, notified)
SELECT 'limit', '', now(), 1
WHERE $2::boolean OR NOT EXISTS (
    SELECT FROM $schema.notifications WHERE type = 'held' AND suppressed > 0
)
ON CONFLICT (type, subject) DO UPDATE SET
    notified = CASE WHEN known.notified_at <= now() - interval '1 hour' THEN 1 ELSE known.notified + 1 END,
    notified_at = CASE WHEN known.notified_at <= now() - interval '1 hour' THEN now() ELSE known.notified_at END
WHERE known.notified_at <= now() - interval '1 hour' OR known.notified < coalesce($1::bigint, known.notified + 1)
RETURNING notified
