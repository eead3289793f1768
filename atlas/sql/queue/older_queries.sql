-- Queries of the user's that an earlier release stored as they were spelled: only this one notes the spelling.
SELECT id, query_term FROM $schema.search_queue WHERE source = 'user' AND display_term IS NULL ORDER BY id
