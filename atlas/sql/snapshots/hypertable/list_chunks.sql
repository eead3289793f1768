-- List the chunks of the hypertable with their ranges, in the order of time.
SELECT format('%I.%I', chunk_schema, chunk_name) AS name, range_start AS lower, range_end AS upper
FROM timescaledb_information.chunks
WHERE '"' || hypertable_schema || '"' = '$schema' AND hypertable_name = 'video_stats_log'
ORDER BY range_start
