-- Begin a new slice at the oldest publish time read, without the page token.
-- $1 topic, $2 lease token, $3 end of the window, $4 end of the round's window, $5 whether YouTube refused the page
-- token: counts a restart and ends the lease
UPDATE $schema.search_queue SET
    next_page_token = NULL, page = 0, slice_results = 0, published_before = $3, round_before = $4,
    restarts = restarts + $5::boolean::integer,
    leased_until = CASE WHEN NOT $5 THEN leased_until END,
    lease_token = CASE WHEN NOT $5 THEN lease_token END,
    leased_by = CASE WHEN NOT $5 THEN leased_by END
WHERE id = $1 AND lease_token = $2
RETURNING id
