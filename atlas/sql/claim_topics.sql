-- $1 how many, $2 lease in seconds, $3 lease token, $4 shard
WITH picked AS (
    SELECT id FROM $schema.search_queue
    WHERE status = 'active' AND (leased_until IS NULL OR leased_until < now())
    ORDER BY priority DESC, last_searched_at NULLS FIRST, id
    LIMIT $1
    FOR UPDATE SKIP LOCKED
)
UPDATE $schema.search_queue AS topic
SET leased_until = now() + make_interval(secs => $2), lease_token = $3, leased_by = $4
WHERE topic.id = ANY (ARRAY(SELECT id FROM picked))
RETURNING topic.id, query_term, next_page_token, last_searched_at, priority, source, status, page, restarts,
    published_after, published_before, round_ended_at, round_new, barren_rounds, lease_token
