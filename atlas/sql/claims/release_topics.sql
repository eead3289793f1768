-- Release topics, locked in the order of the terms, like every statement that locks several. $1 topics, $2 lease tokens
WITH mine AS (
    SELECT topic.id FROM $schema.search_queue AS topic
    JOIN unnest($1::bigint[], $2::uuid[]) AS claim (id, token) ON topic.id = claim.id AND topic.lease_token = claim.token
    ORDER BY topic.query_term COLLATE "C"
    FOR UPDATE OF topic
)
UPDATE $schema.search_queue AS topic SET leased_until = NULL, lease_token = NULL, leased_by = NULL
FROM mine WHERE topic.id = mine.id
RETURNING topic.id
