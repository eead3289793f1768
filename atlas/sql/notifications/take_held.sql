-- Take over the events whose notification had to wait, by their type; only one process gets them.
UPDATE $schema.notifications SET notified = suppressed, suppressed = 0
WHERE type = 'held' AND suppressed > 0
RETURNING subject AS type, notified_at AS since, notified AS number
