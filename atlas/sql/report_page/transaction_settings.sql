-- Set up the transaction of a report: no time limits, since the reader decides how fast rows are fetched, and enough memory
-- to group the readings of all videos at once.
SELECT set_config(name, value, true) FROM (VALUES
    ('idle_in_transaction_session_timeout', '0'),
    ('statement_timeout', '0'),
    ('work_mem', '64MB'),
    ('jit', 'off')
) AS setting (name, value)
