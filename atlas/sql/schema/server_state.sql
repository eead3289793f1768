-- What decides whether a server can be used: its encoding and clock, and whether it takes writes.
SELECT
    NULL AS version_num,
    current_setting('server_encoding') AS encoding,
    pg_is_in_recovery() AS standby,
    current_setting('transaction_read_only') = 'on' AS read_only,
    clock_timestamp() AS now
