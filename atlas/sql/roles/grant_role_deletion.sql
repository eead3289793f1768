-- The Janitor deletes rows too, also those that continuous aggregates keep
GRANT DELETE ON $schema.search_queue, $schema.videos, $schema.channels, $schema.video_stats_log, $schema.api_keys,
    $schema.key_suspensions, $schema.api_calls, $schema.runs, $schema.events, $schema.notifications,
    $schema.count_freezes, $schema.video_stats_hourly, $schema.video_stats_daily
TO $role
