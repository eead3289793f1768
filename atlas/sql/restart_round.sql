-- The page token was refused: the same window from its first page. $1 topic, $2 lease token
UPDATE $schema.search_queue SET
    next_page_token = NULL, page = 0, restarts = restarts + 1,
    leased_until = NULL, lease_token = NULL, leased_by = NULL
WHERE id = $1 AND lease_token = $2
RETURNING id
