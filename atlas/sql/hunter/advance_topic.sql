-- Store the progress of a topic's search and end its lease, if the lease token still matches.
-- :results is the number of results of this page, of which :new_videos were new videos; :page, :restarts and :slice_results count in the current slice of the
-- round's window, :round_pages and :round_new in the round.
-- The same statement settles the calls that brought the page; see quota/settle_calls.
WITH settled AS (
    INSERT INTO $schema.api_calls (day, fingerprint, bucket, counter_shard, settled)
    SELECT day, fingerprint, bucket, counter_shard, settled
    FROM unnest(:days::date[], :fingerprints::text[], :buckets::text[], :counter_shards::smallint[], :numbers::bigint[])
        AS call (day, fingerprint, bucket, counter_shard, settled)
    ORDER BY day, fingerprint, bucket, counter_shard
    ON CONFLICT (day, fingerprint, bucket, counter_shard)
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
    rounds_without_new = :rounds_without_new,
    empty_answers = :empty_answers,
    searches = searches + 1,
    results = results + :results,
    new_videos = new_videos + :new_videos,
    leased_until = NULL, lease_token = NULL, leased_by = NULL
WHERE id = :topic AND lease_token = :lease_token
RETURNING id
