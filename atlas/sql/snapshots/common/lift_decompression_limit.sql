-- Let a transaction change more rows of the columnstore than TimescaleDB's limit of 100,000; no effect elsewhere.
SELECT set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true)
