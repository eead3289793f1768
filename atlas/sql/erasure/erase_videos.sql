-- The rows of videos, whoever holds a lease. How many, and how many of them a shard held. $1 ids
WITH gone AS (
    DELETE FROM $schema.videos WHERE id = ANY ($1::text[]) RETURNING coalesce(leased_until > now(), false) AS held
)
SELECT count(*) AS number, count(*) FILTER (WHERE held) AS held FROM gone
