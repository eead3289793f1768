-- List the queries that brought most new videos, with how many of their stored videos have had a breakout; `number` counts
-- all queries that were searched. $1 limit
WITH yielding AS (
    SELECT id, coalesce(display_term, query_term) AS query, status, searches, results, new_videos, last_searched_at,
        count(*) OVER () AS number
    FROM $schema.search_queue
    WHERE searches > 0
    ORDER BY new_videos DESC, searches, id
    LIMIT $1::bigint
), broken_out AS (
    SELECT videos.found_by, count(DISTINCT breakouts.video_id) AS videos
    FROM $schema.breakouts JOIN $schema.videos ON videos.id = breakouts.video_id
    WHERE videos.found_by IN (SELECT id FROM yielding)
    GROUP BY videos.found_by
)
SELECT yielding.query, yielding.status, yielding.searches, yielding.results, yielding.new_videos,
    coalesce(broken_out.videos, 0) AS broke_out, yielding.last_searched_at, yielding.number
FROM yielding
LEFT JOIN broken_out ON broken_out.found_by = yielding.id
ORDER BY yielding.new_videos DESC, yielding.searches, yielding.id
