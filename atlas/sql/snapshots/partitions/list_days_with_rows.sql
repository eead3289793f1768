-- List the days (UTC) of the rows of a table, the newest first. Reads it whole.
SELECT DISTINCT date_trunc('day', observed_at, 'UTC') AS day FROM $schema.$table ORDER BY day DESC
