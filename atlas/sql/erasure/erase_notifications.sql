-- Delete notifications. $1 types, $2 subjects
DELETE FROM $schema.notifications AS sent USING unnest($1::text[], $2::text[]) AS named (type, subject)
WHERE sent.type = named.type AND sent.subject = named.subject
