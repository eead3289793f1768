-- Make videos due whose due time is later than the schedule allows, because a clock was ahead when it was written, and set
-- their future times to now; also of unfinished videos whose first_seen_at is in the future. Each probe scans an index
-- range that is nearly always empty; leased rows are skipped.
-- $1 limit of each probe, $2 schedule time, $3 tolerance, $4 intervals of the three zones, $5 longest wait for a premiere
WITH zone_1 AS (
    -- an upcoming premiere is due when it is broadcast
    SELECT ctid AS place FROM $schema.videos
    WHERE zone = 1 AND due_at > (SELECT $2::timestamptz + $3::interval + ($4::interval[])[1]) AND due_at <= 'infinity'
        AND (published_at IS NULL OR due_at > published_at OR due_at > $2 + $3 + $5::interval)
        AND (leased_until IS NULL OR leased_until < now())
    ORDER BY due_at
    LIMIT (SELECT $1::bigint)
    FOR UPDATE SKIP LOCKED
), zone_2 AS (
    SELECT ctid AS place FROM $schema.videos
    WHERE zone = 2 AND due_at > (SELECT $2::timestamptz + $3::interval + ($4::interval[])[2]) AND due_at <= 'infinity'
        AND (leased_until IS NULL OR leased_until < now())
    ORDER BY due_at
    LIMIT (SELECT $1::bigint)
    FOR UPDATE SKIP LOCKED
), zone_3 AS (
    SELECT ctid AS place FROM $schema.videos
    WHERE zone = 3 AND due_at > (SELECT $2::timestamptz + $3::interval + ($4::interval[])[3]) AND due_at <= 'infinity'
        AND (leased_until IS NULL OR leased_until < now())
    ORDER BY due_at
    LIMIT (SELECT $1::bigint)
    FOR UPDATE SKIP LOCKED
), unenriched AS (
    SELECT ctid AS place FROM $schema.videos
    WHERE enriched_at IS NULL AND retired_at IS NULL
        AND first_seen_at > (SELECT $2::timestamptz + $3::interval) AND first_seen_at <= 'infinity'
        AND (leased_until IS NULL OR leased_until < now())
    ORDER BY first_seen_at
    LIMIT (SELECT $1::bigint)
    FOR UPDATE SKIP LOCKED
), unarchived AS (
    SELECT ctid AS place FROM $schema.videos
    WHERE archived_at IS NULL AND retired_at IS NULL
        AND first_seen_at > (SELECT $2::timestamptz + $3::interval) AND first_seen_at <= 'infinity'
        AND (leased_until IS NULL OR leased_until < now())
    ORDER BY first_seen_at
    LIMIT (SELECT $1::bigint)
    FOR UPDATE SKIP LOCKED
), due AS (
    SELECT place FROM zone_1 UNION ALL SELECT place FROM zone_2 UNION ALL SELECT place FROM zone_3
), repaired AS (
    UPDATE $schema.videos AS video SET
        due_at = CASE WHEN video.ctid = ANY (ARRAY(SELECT place FROM due)) THEN $2 ELSE due_at END,
        first_seen_at = CASE WHEN first_seen_at > $2 THEN $2 ELSE first_seen_at END,
        last_updated_at = CASE WHEN last_updated_at > $2 THEN $2 ELSE last_updated_at END,
        enriched_at = CASE WHEN enriched_at > $2 THEN $2 ELSE enriched_at END,
        archived_at = CASE WHEN archived_at > $2 THEN $2 ELSE archived_at END,
        last_absent_at = CASE WHEN last_absent_at > $2 THEN $2 ELSE last_absent_at END
    WHERE video.ctid = ANY (ARRAY(
        SELECT place FROM due UNION SELECT place FROM unenriched UNION SELECT place FROM unarchived))
    RETURNING 1
)
SELECT count(*) AS repaired FROM repaired
