-- An agent claims, reads and writes rows; its parts go with video_stats_log
GRANT SELECT, INSERT, UPDATE ON $schema.search_queue, $schema.videos, $schema.channels, $schema.video_stats_log,
    $schema.api_keys, $schema.key_suspensions, $schema.api_calls, $schema.runs, $schema.events, $schema.notifications,
    $schema.count_freezes
TO $role
