-- How far the work is, written only by the holder of the lease.
-- $1 topic, $2 lease token, $3 status, $4 next page token, $5 schedule time, $6 results, $7 new videos,
-- $8 window from, $9 window to, $10 due again
-- The calls that it took are settled along: $11 days, $12 fingerprints, $13 buckets, $14 slot, $15 how many
WITH settled AS (
    INSERT INTO $schema.api_calls (day, fingerprint, bucket, slot, settled)
    SELECT day, fingerprint, bucket, $14, settled
    FROM unnest($11::date[], $12::text[], $13::text[], $15::bigint[]) AS call (day, fingerprint, bucket, settled)
    ORDER BY day, fingerprint, bucket
    ON CONFLICT (day, fingerprint, bucket, slot) DO UPDATE SET settled = api_calls.settled + excluded.settled
)
UPDATE $schema.search_queue SET
    status = CASE WHEN status = 'paused' THEN 'paused' ELSE $3::text END,
    next_page_token = $4,
    last_searched_at = $5,
    due_at = $10,
    page = CASE WHEN $3 = 'active' THEN page + 1 ELSE 0 END,
    restarts = CASE WHEN $3 = 'active' THEN restarts ELSE 0 END,
    published_after = CASE WHEN $3 = 'active' THEN $8::timestamptz END,
    published_before = CASE WHEN $3 = 'active' THEN $9::timestamptz END,
    round_ended_at = CASE WHEN $3 = 'active' THEN round_ended_at ELSE coalesce($9::timestamptz, round_ended_at) END,
    round_new = CASE WHEN $3 = 'active' THEN round_new + $7 ELSE 0 END,
    barren_rounds = CASE WHEN $3 = 'active' THEN barren_rounds WHEN round_new + $7 > 0 THEN 0 ELSE barren_rounds + 1 END,
    searches = searches + 1,
    results = results + $6,
    leased_until = NULL, lease_token = NULL, leased_by = NULL
WHERE id = $1 AND lease_token = $2
RETURNING id
