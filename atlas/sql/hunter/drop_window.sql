-- Skip the unread part of a round's window; keep the lease. $1 topic, $2 lease token
UPDATE $schema.search_queue SET
    next_page_token = NULL, page = 0, restarts = 0, round_ended_at = coalesce(round_before, published_before),
    published_after = NULL, published_before = NULL, round_before = NULL, oldest_read = NULL, slice_results = 0,
    round_pages = 0, empty_answers = 0
WHERE id = $1 AND lease_token = $2
RETURNING id
