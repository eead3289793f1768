-- Which queries bring new videos for their searches? And how many of these broke out; queries of 5 searches or more.
SELECT coalesce(search_queue.display_term, search_queue.query_term) AS query, search_queue.searches,
    search_queue.new_videos, round(search_queue.new_videos::numeric / search_queue.searches, 1) AS new_per_search,
    coalesce(broke_out.videos, 0) AS broke_out
FROM $schema.search_queue
LEFT JOIN (
    SELECT videos.found_by, count(DISTINCT videos.id) AS videos
    FROM $schema.breakouts JOIN $schema.videos ON videos.id = breakouts.video_id
    GROUP BY videos.found_by
) AS broke_out ON broke_out.found_by = search_queue.id
WHERE search_queue.searches >= 5
ORDER BY new_per_search DESC, broke_out DESC, search_queue.id
LIMIT 100
