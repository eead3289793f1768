-- Count queries that a claim would find now, and those that it would make claimable first. Each count stops at the limit
-- and uses the claim's order, so that its indexes are read from the start. $1 limit, $2 schedule time
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
