-- Change queries of an earlier release to their normal form: the first spelling of each gets it; if a row already has
-- that form, that row is raised, and the other spellings are paused. Locks in the order of the terms. $1 ids, $2 their normal forms,
-- $3 priority
WITH older AS (
    SELECT id, term, row_number() OVER (PARTITION BY term ORDER BY id) AS place
    FROM unnest($1::bigint[], $2::text[]) AS query (id, term)
), locked AS (
    SELECT topic.id, topic.query_term, topic.display_term, topic.status FROM $schema.search_queue AS topic
    WHERE topic.id IN (SELECT id FROM older) OR topic.query_term IN (SELECT term FROM older)
    ORDER BY topic.query_term COLLATE "C" FOR UPDATE
), kept AS (
    SELECT older.term, coalesce(named.id, older.id) AS id, coalesce(named.display_term, first.query_term) AS spelling,
        EXISTS (
            SELECT 1 FROM older AS other JOIN locked USING (id) WHERE other.term = older.term AND status <> 'paused'
        ) AS wanted
    FROM older JOIN locked AS first ON first.id = older.id LEFT JOIN locked AS named ON named.query_term = older.term
    WHERE older.place = 1
)
UPDATE $schema.search_queue AS topic SET
    query_term = coalesce(kept.term, topic.query_term),
    display_term = coalesce(kept.spelling, topic.query_term),
    source = 'user', priority = greatest(topic.priority, $3),
    status = CASE WHEN kept.id IS NULL THEN 'paused' WHEN topic.status = 'paused' AND kept.wanted THEN 'active'
        ELSE topic.status END
FROM locked LEFT JOIN kept ON kept.id = locked.id
WHERE topic.id = locked.id
RETURNING topic.id
