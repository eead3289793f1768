-- Select the rows of an export. $1 added from this time on, $2 before this time
SELECT id, query_term, status, priority, source, mentions, added_at, last_searched_at, due_at, next_page_token, page,
    searches, results
FROM $schema.search_queue
WHERE ($1::timestamptz IS NULL OR added_at >= $1) AND ($2::timestamptz IS NULL OR added_at < $2)
