-- Return the statement that makes a table the partition of a range. $1 the table, $2 from, $3 before
SELECT format('ALTER TABLE $schema.video_stats_log ATTACH PARTITION $schema.%I FOR VALUES FROM (%L) TO (%L)',
    $1::text, $2::timestamptz, $3::timestamptz)
