-- Notes the pages of one part: rows that come later are mirrored. $1 the copying, $2 what it is for, $3 place in the
-- order, $4 the part
INSERT INTO $schema.video_stats_log_moving (job, purpose, part, place, pages, remaining)
SELECT $1::uuid, $2::text, $4::text, $3::integer, size.pages, size.pages
FROM (SELECT pg_relation_size(format('$schema.%I', $4::text)::regclass) / current_setting('block_size')::bigint AS pages)
    AS size
