-- What a role had of the tables and views, so that it has no more afterwards than it is given; nor has anybody what it
-- passed on, which it is not to do
REVOKE ALL ON $schema.atlas_schema_version, $schema.search_queue, $schema.videos, $schema.channels,
    $schema.video_stats_log, $schema.api_keys, $schema.key_suspensions, $schema.api_calls, $schema.runs, $schema.events,
    $schema.notifications, $schema.count_freezes, $schema.video_velocity, $schema.video_stats_hourly,
    $schema.video_stats_daily
FROM $role CASCADE
