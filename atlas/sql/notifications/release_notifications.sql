-- Release claimed notifications that no service accepted: they are due at once, and their events count as suppressed.
-- $1 types, $2 subjects, $3 token of the claim
UPDATE $schema.notifications AS known
SET notified_at = '-infinity', token = NULL, notified = 0, suppressed = known.suppressed + known.notified
FROM unnest($1::text[], $2::text[]) AS thing (type, subject)
WHERE known.type = thing.type AND known.subject = thing.subject AND known.token = $3
