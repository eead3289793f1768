-- A role reads the revision and the views
GRANT SELECT ON $schema.atlas_schema_version, $schema.video_velocity, $schema.video_stats_hourly,
    $schema.video_stats_daily
TO $role
