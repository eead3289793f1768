-- Notes the pages of one part: rows that come later are mirrored. $1 purpose, $2 place in the order, $3 the part
INSERT INTO $schema.video_stats_log_moving (part, purpose, place, pages, remaining)
SELECT $3::text, $1::text, $2::integer, size.pages, size.pages
FROM (SELECT pg_relation_size(format('$schema.%I', $3::text)::regclass) / current_setting('block_size')::bigint AS pages)
    AS size
