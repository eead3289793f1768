-- Find notifications whose subject, and runs whose error, contains one of the ids $1 as a word.
WITH word AS (
    SELECT type, subject, NULL::uuid AS run, regexp_split_to_table(subject, '[^A-Za-z0-9_-]+') AS text
    FROM $schema.notifications
    UNION ALL
    SELECT NULL, NULL, id, regexp_split_to_table(error, '[^A-Za-z0-9_-]+') FROM $schema.runs WHERE error IS NOT NULL
)
SELECT DISTINCT word.type, word.subject, word.run FROM word JOIN unnest($1::text[]) AS wanted (id) ON wanted.id = word.text
