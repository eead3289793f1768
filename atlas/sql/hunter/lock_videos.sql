-- Lock videos in the order of their keys, before a transaction writes them by several statements. $1 ids
SELECT id FROM $schema.videos WHERE id = ANY ($1::text[]) ORDER BY id FOR UPDATE
