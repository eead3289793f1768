-- Select a page of videos and when each was archived, in the order of the ids. $1 after this id, $2 limit
SELECT id, archived_at FROM $schema.videos WHERE id > $1 ORDER BY id LIMIT $2
