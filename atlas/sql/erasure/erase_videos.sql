-- Deletes videos, leased or not. How many, and how many of them a shard had leased. $1 ids
WITH deleted AS (
    DELETE FROM $schema.videos WHERE id = ANY ($1::text[]) RETURNING coalesce(leased_until > now(), false) AS leased
)
SELECT count(*) AS number, count(*) FILTER (WHERE leased) AS leased FROM deleted
