-- The statement that makes a table the partition of a range. $1 partitioned table, $2 the partition, $3 from, $4 to
SELECT format('ALTER TABLE $schema.%I ATTACH PARTITION $schema.%I FOR VALUES FROM (%L) TO (%L)',
    $1::text, $2::text, $3::timestamptz, $4::timestamptz)
