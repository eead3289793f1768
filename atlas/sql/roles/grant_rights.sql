-- Give the three roles their rights, and no other: statements that run in one transaction.
-- Rights on the tables hold for every partition and chunk of video_stats_log. What the owner creates later goes to
-- agents and Janitor by default privileges.
REVOKE ALL ON $schema.atlas_schema_version, $schema.search_queue, $schema.videos, $schema.channels,
    $schema.video_stats_log, $schema.api_keys, $schema.key_suspensions, $schema.api_calls, $schema.runs, $schema.events,
    $schema.notifications, $schema.count_freezes, $schema.video_growth, $schema.breakouts, $schema.growth_bands,
    $schema.growth_levels, $schema.video_velocity,
    $schema.video_stats_hourly, $schema.video_stats_daily
FROM $agent, $janitor, $reader CASCADE;
REVOKE ALL ON SCHEMA $schema FROM $agent, $janitor, $reader CASCADE;
ALTER DEFAULT PRIVILEGES FOR ROLE $owner IN SCHEMA $schema REVOKE ALL ON TABLES FROM $agent, $janitor, $reader;
GRANT USAGE ON SCHEMA $schema TO $agent, $janitor, $reader;
GRANT SELECT ON $schema.atlas_schema_version, $schema.video_velocity, $schema.video_stats_hourly,
    $schema.video_stats_daily
TO $agent, $janitor, $reader;
-- agents claim, read and write rows
GRANT SELECT, INSERT, UPDATE ON $schema.search_queue, $schema.videos, $schema.channels, $schema.video_stats_log,
    $schema.api_keys, $schema.key_suspensions, $schema.api_calls, $schema.runs, $schema.events, $schema.notifications,
    $schema.count_freezes, $schema.video_growth, $schema.breakouts, $schema.growth_bands,
    $schema.growth_levels
TO $agent, $janitor;
ALTER DEFAULT PRIVILEGES FOR ROLE $owner IN SCHEMA $schema GRANT SELECT, INSERT, UPDATE ON TABLES TO $agent, $janitor;
-- the Janitor deletes rows too, also those that continuous aggregates keep
GRANT DELETE ON $schema.search_queue, $schema.videos, $schema.channels, $schema.video_stats_log, $schema.api_keys,
    $schema.key_suspensions, $schema.api_calls, $schema.runs, $schema.events, $schema.notifications,
    $schema.count_freezes, $schema.video_growth, $schema.breakouts, $schema.growth_bands,
    $schema.growth_levels, $schema.video_stats_hourly,
    $schema.video_stats_daily
TO $janitor;
ALTER DEFAULT PRIVILEGES FOR ROLE $owner IN SCHEMA $schema GRANT DELETE ON TABLES TO $janitor;
-- analysts read what was collected, and neither fingerprints of keys nor notifications
GRANT SELECT ON $schema.search_queue, $schema.videos, $schema.channels, $schema.video_stats_log, $schema.api_calls,
    $schema.runs, $schema.events, $schema.count_freezes, $schema.video_growth, $schema.breakouts, $schema.growth_bands,
    $schema.growth_levels
TO $reader;
