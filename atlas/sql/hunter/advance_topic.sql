-- How far the work is, written only by the holder of the lease.
-- $1 topic, $2 lease token, $3 status, $4 next page token, $5 schedule time, $6 due again, $7 results, $8 window from,
-- $9 window to, $10 end of the round's window, $11 up to where the last round read, $12 oldest publish time read,
-- $13 pages of the slice, $14 restarts, $15 results of the slice, $16 pages of the round, $17 new videos of the round,
-- $18 barren rounds, $19 empty answers
-- The calls that it took are settled along: $20 days, $21 fingerprints, $22 buckets, $23 slots, $24 how many. See
-- settle_calls.
WITH settled AS (
    INSERT INTO $schema.api_calls (day, fingerprint, bucket, slot, settled)
    SELECT day, fingerprint, bucket, slot, settled
    FROM unnest($20::date[], $21::text[], $22::text[], $23::smallint[], $24::bigint[])
        AS call (day, fingerprint, bucket, slot, settled)
    ORDER BY day, fingerprint, bucket, slot
    ON CONFLICT (day, fingerprint, bucket, slot)
        DO UPDATE SET settled = least(api_calls.settled + excluded.settled, api_calls.reserved)
)
UPDATE $schema.search_queue SET
    status = CASE WHEN status = 'paused' THEN 'paused' ELSE $3::text END,
    next_page_token = $4,
    last_searched_at = $5,
    due_at = $6,
    published_after = $8,
    published_before = $9,
    round_before = $10,
    round_ended_at = $11,
    oldest_read = $12,
    page = $13,
    restarts = $14,
    slice_results = $15,
    round_pages = $16,
    round_new = $17,
    barren_rounds = $18,
    empty_answers = $19,
    searches = searches + 1,
    results = results + $7,
    leased_until = NULL, lease_token = NULL, leased_by = NULL
WHERE id = $1 AND lease_token = $2
RETURNING id
