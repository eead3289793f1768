-- Lock channels, except those that another transaction has locked. $1 ids
SELECT id FROM $schema.channels WHERE id = ANY ($1::text[]) ORDER BY id FOR UPDATE SKIP LOCKED
