-- Return what decides whether a server can be used: encoding, clock, and whether it accepts writes.
SELECT
    NULL AS version_num,
    current_setting('server_encoding') AS encoding,
    pg_is_in_recovery() AS standby,
    current_setting('transaction_read_only') = 'on' AS read_only,
    clock_timestamp() AS now
