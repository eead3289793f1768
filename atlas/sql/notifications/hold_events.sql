-- Count events of a type whose notification has to wait. Their row keeps the schedule time of the first one.
-- $1 type, $2 schedule time of the first event, $3 number of events
INSERT INTO $schema.notifications AS known (type, subject, notified_at, suppressed) VALUES ('held', $1, $2, $3)
ON CONFLICT (type, subject) DO UPDATE SET
    notified_at = CASE WHEN known.suppressed = 0 THEN excluded.notified_at
                  ELSE least(known.notified_at, excluded.notified_at) END,
    suppressed = known.suppressed + excluded.suppressed
