-- Delete channels; return the number. $1 ids
WITH deleted AS (DELETE FROM $schema.channels WHERE id = ANY ($1::text[]) RETURNING 1)
SELECT count(*) AS number FROM deleted
