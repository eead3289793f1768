-- $1 types, $2 subjects
DELETE FROM $schema.notifications AS told USING unnest($1::text[], $2::text[]) AS named (type, subject)
WHERE told.type = named.type AND told.subject = named.subject
