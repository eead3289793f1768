-- Store how far the search of a topic is and end its lease, where the lease is still held.
-- :results is the number of results of this page; :page, :restarts and :slice_results count in the current slice of the
-- round's window, :round_pages and :round_new in the round.
-- The same statement settles the calls that brought the page; see quota/settle_calls.
WITH settled AS (
    INSERT INTO $schema.api_calls (day, fingerprint, bucket, slot, settled)
    SELECT day, fingerprint, bucket, slot, settled
    FROM unnest(:days::date[], :fingerprints::text[], :buckets::text[], :counter_shards::smallint[], :numbers::bigint[])
        AS call (day, fingerprint, bucket, slot, settled)
    ORDER BY day, fingerprint, bucket, slot
    ON CONFLICT (day, fingerprint, bucket, slot)
        DO UPDATE SET settled = least(api_calls.settled + excluded.settled, api_calls.reserved)
)
UPDATE $schema.search_queue SET
    status = CASE WHEN status = 'paused' THEN 'paused' ELSE :status::text END,
    next_page_token = :next_page_token,
    last_searched_at = :now,
    due_at = :due_at,
    published_after = :published_after,
    published_before = :published_before,
    round_before = :round_before,
    round_ended_at = :round_ended_at,
    oldest_read = :oldest_read,
    page = :page,
    restarts = :restarts,
    slice_results = :slice_results,
    round_pages = :round_pages,
    round_new = :round_new,
    barren_rounds = :barren_rounds,
    empty_answers = :empty_answers,
    searches = searches + 1,
    results = results + :results,
    leased_until = NULL, lease_token = NULL, leased_by = NULL
WHERE id = :topic AND lease_token = :lease_token
RETURNING id
