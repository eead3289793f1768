-- Return the schema of TimescaleDB's functions if it is the Community edition.
SELECT pg_namespace.nspname
FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = pg_extension.extnamespace
WHERE pg_extension.extname = 'timescaledb' AND current_setting('timescaledb.license', true) = 'timescale'
