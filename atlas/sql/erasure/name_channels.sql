-- Select the titles of channels. $1 ids
SELECT id, title FROM $schema.channels WHERE id = ANY ($1::text[]) ORDER BY id
