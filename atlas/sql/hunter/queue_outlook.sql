-- Count what explains an empty claim of topics. Each count stops at 1,000.
SELECT
    (SELECT count(*) FROM (SELECT 1 FROM $schema.search_queue LIMIT 1000) AS bounded) AS queries,
    (SELECT count(*) FROM (SELECT 1 FROM $schema.search_queue WHERE status = 'paused' LIMIT 1000) AS bounded) AS paused,
    (SELECT count(*) FROM (SELECT 1 FROM $schema.search_queue WHERE status = 'active' AND leased_until >= now() LIMIT 1000) AS bounded) AS leased,
    (SELECT min(due_at) FROM $schema.search_queue WHERE status = 'waiting') AS next_due
