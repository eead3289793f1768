-- Make topics due whose due time is later than the policy allows, because a clock was ahead when they were searched.
-- Scans the index of waiting topics from the shortest interval on. $1 limit, $2 schedule time, $3 tolerance, $4 shortest
-- interval, $5 longest
WITH ahead AS (
    SELECT id FROM $schema.search_queue
    WHERE status = 'waiting'
        AND due_at > (SELECT $2::timestamptz + $3::interval + $4::interval) AND due_at <= 'infinity'
        AND due_at > $2 + $3 + least($4 * power(2, least(rounds_without_new, 16)), $5::interval)
    ORDER BY due_at
    LIMIT (SELECT $1::bigint)
    FOR UPDATE SKIP LOCKED
), repaired AS (
    UPDATE $schema.search_queue AS topic SET
        status = 'active', due_at = NULL,
        last_searched_at = CASE WHEN last_searched_at > $2 THEN $2 ELSE last_searched_at END,
        added_at = CASE WHEN added_at > $2 THEN $2 ELSE added_at END
    WHERE topic.id = ANY (ARRAY(SELECT id FROM ahead))
    RETURNING 1
)
SELECT count(*) AS repaired FROM repaired
