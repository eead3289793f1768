-- Claim due videos: one probe per zone until the batch is full, each in the order of the index. The ranges and the
-- subqueries keep the planner from other plans: it estimates a limit in a subquery at a tenth of the rows, and would read
-- and sort all due videos; it estimates a range with one unknown end at 0.5 % of the table, however many are due. Locked
-- rows do not move, so the update finds them by their ctid, without an index and without waiting. A row that was changed
-- since this statement began has another ctid: the next claim takes it.
-- $1 limit, $2 schedule time, $3 lease in seconds, $4 lease token, $5 shard
WITH hot AS (
    SELECT ctid AS place FROM $schema.videos
    WHERE zone = 1 AND due_at >= '-infinity' AND due_at <= (SELECT $2::timestamptz)
        AND (leased_until IS NULL OR leased_until < now())
    ORDER BY due_at
    LIMIT (SELECT $1::bigint)
    FOR UPDATE SKIP LOCKED
), warm AS (
    SELECT ctid AS place FROM $schema.videos
    WHERE zone = 2 AND due_at >= '-infinity' AND due_at <= (SELECT $2::timestamptz)
        AND (leased_until IS NULL OR leased_until < now())
    ORDER BY due_at
    LIMIT (SELECT $1 - count(*) FROM hot)
    FOR UPDATE SKIP LOCKED
), cold AS (
    SELECT ctid AS place FROM $schema.videos
    WHERE zone = 3 AND due_at >= '-infinity' AND due_at <= (SELECT $2::timestamptz)
        AND (leased_until IS NULL OR leased_until < now())
    ORDER BY due_at
    LIMIT (SELECT $1 - (SELECT count(*) FROM hot) - (SELECT count(*) FROM warm))
    FOR UPDATE SKIP LOCKED
), picked AS (
    SELECT place FROM hot UNION ALL SELECT place FROM warm UNION ALL SELECT place FROM cold
)
UPDATE $schema.videos AS video
SET leased_until = now() + make_interval(secs => $3), lease_token = $4, leased_by = $5
WHERE video.ctid = ANY (ARRAY(SELECT place FROM picked))
RETURNING video.id, title, published_at, first_seen_at, last_updated_at, zone, due_at, enriched_at, archived_at,
    duration, lease_token
