-- Videos and since when the archive holds each, $2 of them after the id $1, in the order of the key.
SELECT id, archived_at FROM $schema.videos WHERE id > $1 ORDER BY id LIMIT $2
