-- Claim topics in the order of the index. The range includes every priority: see tracker/claim_videos. The limit is in a
-- subquery: otherwise the statement would be planned each time, which takes 1.5 times as long as running it.
-- $1 limit, $2 lease in seconds, $3 lease token, $4 shard
WITH picked AS (
    SELECT id FROM $schema.search_queue
    WHERE status = 'active' AND priority >= (SELECT -2147483648) AND priority <= 2147483647
        AND (leased_until IS NULL OR leased_until < now())
    ORDER BY priority DESC, last_searched_at NULLS FIRST, id
    LIMIT (SELECT $1::bigint)
    FOR UPDATE SKIP LOCKED
)
UPDATE $schema.search_queue AS topic
SET leased_until = now() + make_interval(secs => $2), lease_token = $3, leased_by = $4
WHERE topic.id = ANY (ARRAY(SELECT id FROM picked))
RETURNING topic.id, query_term, display_term, next_page_token, last_searched_at, priority, source, status, page, restarts,
    published_after, published_before, round_before, round_ended_at, oldest_read, slice_results, round_pages, round_new,
    rounds_without_new, empty_answers, lease_token
