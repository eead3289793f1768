-- The days (UTC) of which a table holds rows. Reads it whole.
SELECT DISTINCT date_trunc('day', observed_at, 'UTC') AS day FROM $schema.$table ORDER BY day DESC
