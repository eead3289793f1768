-- Select the titles of videos. $1 ids
SELECT id, title FROM $schema.videos WHERE id = ANY ($1::text[]) ORDER BY id
