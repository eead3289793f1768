-- List the queries by new videos per search, the best first, then those never searched in the order of their claim. `broke_out`
-- counts the videos that a query found first and that have broken out. $1 limit
WITH best AS (
    SELECT id, query_term, coalesce(display_term, query_term) AS display_term, status, priority, source, searches, new_videos,
        new_videos::float8 / nullif(searches, 0) AS new_per_search, last_searched_at, due_at,
        coalesce(leased_until > now(), false) AS leased
    FROM $schema.search_queue
    ORDER BY new_per_search DESC NULLS LAST, priority DESC, id
    LIMIT $1::bigint
), broken AS (
    SELECT videos.found_by, count(DISTINCT breakouts.video_id) AS videos
    FROM $schema.breakouts JOIN $schema.videos ON videos.id = breakouts.video_id
    WHERE videos.found_by IN (SELECT id FROM best)
    GROUP BY videos.found_by
)
SELECT best.*, coalesce(broken.videos, 0) AS broke_out
FROM best LEFT JOIN broken ON broken.found_by = best.id
ORDER BY best.new_per_search DESC NULLS LAST, best.priority DESC, best.id
