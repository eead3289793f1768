-- Select the user's queries that an earlier release stored as they were spelled: it did not store the spelling.
SELECT id, query_term FROM $schema.search_queue WHERE source = 'user' AND display_term IS NULL ORDER BY id
