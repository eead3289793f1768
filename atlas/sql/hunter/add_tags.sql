-- Add mentions to known tags; at most $3 new tags become queries. A term with 0 mentions is only locked.
-- Rows are written in the order of the terms, so that shards cannot deadlock. $1 terms, $2 mentions, $3 limit of new ones, $4 schedule time
WITH input AS (
    SELECT term, mentions FROM unnest($1::text[], $2::integer[]) AS tag (term, mentions)
), known AS (
    SELECT input.term FROM input JOIN $schema.search_queue ON query_term = input.term
), fresh AS (
    SELECT term FROM input
    WHERE mentions > 0 AND NOT EXISTS (SELECT 1 FROM known WHERE known.term = input.term)
    ORDER BY mentions DESC, term
    LIMIT $3
), stored AS (
    INSERT INTO $schema.search_queue (query_term, priority, source, mentions, added_at)
    SELECT input.term, input.mentions, 'tag', input.mentions, $4
    FROM input JOIN (SELECT term FROM known UNION ALL SELECT term FROM fresh) AS kept USING (term)
    ORDER BY input.term COLLATE "C"
    ON CONFLICT (query_term) DO UPDATE SET
        -- the Janitor deletes by when a tag was last found
        added_at = CASE WHEN search_queue.source = 'tag' AND excluded.mentions > 0 THEN excluded.added_at
                        ELSE search_queue.added_at END,
        mentions = search_queue.mentions + excluded.mentions,
        priority = CASE WHEN search_queue.source = 'tag' THEN search_queue.mentions + excluded.mentions
                        ELSE search_queue.priority END
    RETURNING xmax = 0 AS created
)
SELECT count(*) FILTER (WHERE created) AS added FROM stored
