-- Count videos and queries whose due time is later than the policy allows (see repair_videos and repair_topics), and
-- calls of future days; each count of rows stops at the limit.
-- $1 limit, $2 schedule time, $3 tolerance, $4 intervals of the three zones, $5 longest wait for a
-- premiere, $6 shortest interval of a topic, $7 longest, $8 last quota day that can have begun
SELECT
    (SELECT count(*) FROM (
        SELECT 1 FROM $schema.videos
        WHERE zone = 1 AND due_at > $2::timestamptz + $3::interval + ($4::interval[])[1]
            AND (published_at IS NULL OR due_at > published_at OR due_at > $2 + $3 + $5::interval)
        UNION ALL
        SELECT 1 FROM $schema.videos WHERE zone = 2 AND due_at > $2::timestamptz + $3::interval + ($4::interval[])[2]
        UNION ALL
        SELECT 1 FROM $schema.videos WHERE zone = 3 AND due_at > $2::timestamptz + $3::interval + ($4::interval[])[3]
        LIMIT $1::bigint) AS bounded) AS videos,
    (SELECT count(*) FROM (
        SELECT 1 FROM $schema.search_queue
        WHERE status = 'waiting' AND due_at > $2::timestamptz + $3::interval + $6::interval
            AND due_at > $2 + $3 + least($6 * power(2, least(rounds_without_new, 16)), $7::interval)
        LIMIT $1::bigint) AS bounded) AS queries,
    (SELECT coalesce(sum(reserved), 0)::bigint FROM $schema.api_calls WHERE day > $8::date) AS calls
