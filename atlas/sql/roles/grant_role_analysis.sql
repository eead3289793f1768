-- An analyst reads what was collected, and not the keys' fingerprints or what people were told
GRANT SELECT ON $schema.search_queue, $schema.videos, $schema.channels, $schema.video_stats_log, $schema.api_calls,
    $schema.runs, $schema.events, $schema.count_freezes
TO $role
