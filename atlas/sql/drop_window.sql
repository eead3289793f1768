-- A page token that is too old goes with its window; the lease is kept. $1 topic, $2 lease token
UPDATE $schema.search_queue SET
    next_page_token = NULL, page = 0, restarts = 0, round_ended_at = published_before,
    published_after = NULL, published_before = NULL
WHERE id = $1 AND lease_token = $2
RETURNING id
