-- Find the events of a page that contain one of some ids as a word of any text. Return the last id of the page too; no
-- row at the end of the table. $1 after this event, $2 page size, $3 ids
WITH page AS (
    SELECT id, payload FROM $schema.events WHERE id > $1 ORDER BY id LIMIT $2
), word AS (
    SELECT page.id, regexp_split_to_table(leaf #>> '{}', '[^A-Za-z0-9_-]+') AS text
    FROM page, jsonb_path_query(page.payload, 'strict $.** ? (@.type() == "string")') AS leaf
), named AS (
    SELECT DISTINCT word.id FROM word JOIN unnest($3::text[]) AS wanted (id) ON wanted.id = word.text
)
SELECT max(page.id) AS last, coalesce(array_agg(named.id) FILTER (WHERE named.id IS NOT NULL), '{}') AS named
FROM page LEFT JOIN named ON named.id = page.id
HAVING count(*) > 0
