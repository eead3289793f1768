-- The rows of channels. How many. $1 ids
WITH gone AS (DELETE FROM $schema.channels WHERE id = ANY ($1::text[]) RETURNING 1)
SELECT count(*) AS number FROM gone
