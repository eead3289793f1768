-- Queries that a claim would find now, with those that it would make claimable first. Counted no further than the limit
-- each, and in the claim's order, so that its indexes are walked from their beginning. $1 limit, $2 schedule time
SELECT (
    SELECT count(*) FROM (
        SELECT 1 FROM $schema.search_queue
        WHERE status = 'active' AND (leased_until IS NULL OR leased_until < now())
        ORDER BY priority DESC, last_searched_at NULLS FIRST, id
        LIMIT $1::bigint
    ) AS claimable
) + (
    SELECT count(*) FROM (
        SELECT 1 FROM $schema.search_queue
        WHERE status = 'waiting' AND due_at <= $2::timestamptz AND (leased_until IS NULL OR leased_until < now())
        ORDER BY due_at
        LIMIT $1::bigint
    ) AS come
) AS due
