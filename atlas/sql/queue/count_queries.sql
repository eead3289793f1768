-- Count the queries that are searched: all but the paused ones.
SELECT count(*) AS queries FROM $schema.search_queue WHERE status <> 'paused'
