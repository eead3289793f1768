-- Where is data missing? Windows of searches that were not read, freezes of YouTube's counts, and more than 90 minutes
-- without a Tracker; one that has not ended is still missing.
SELECT missing.what, missing.began_at, missing.ended_at, missing.details
FROM (
    SELECT 'search window not read' AS what, (payload ->> 'published_after')::timestamptz AS began_at,
        (payload ->> 'published_before')::timestamptz AS ended_at,
        concat(payload ->> 'query_term', ': ', payload ->> 'reason') AS details
    FROM $schema.events
    WHERE type = 'search_gap'
    UNION ALL
    SELECT 'counts frozen by YouTube', started_at, ended_at, concat(videos, ' videos of ', channels, ' channels')
    FROM $schema.count_freezes
    WHERE confirmed_at IS NOT NULL
    UNION ALL
    SELECT 'no Tracker at work', before, started_at,
        CASE WHEN started_at IS NULL THEN 'since the last run' ELSE 'between two runs' END
    FROM (
        SELECT started_at, max(coalesce(finished_at, started_at)) OVER (
            ORDER BY started_at NULLS LAST ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS before
        FROM (
            SELECT started_at, finished_at FROM $schema.runs WHERE agent = 'tracker'
            UNION ALL
            -- the run to come, unless one may still be at work
            SELECT NULL, NULL
            WHERE NOT EXISTS (
                SELECT FROM $schema.runs
                WHERE agent = 'tracker' AND finished_at IS NULL AND started_at > now() - interval '6 hours'
            )
        ) AS trackers
    ) AS pauses
    WHERE coalesce(started_at, now()) - before > interval '90 minutes'
) AS missing
ORDER BY missing.began_at DESC
LIMIT 100
