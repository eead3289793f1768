-- Set up the transaction of an export: no time limits, and the same format of times and numbers on every server.
SELECT set_config(name, value, true) FROM (VALUES
    ('idle_in_transaction_session_timeout', '0'),
    ('statement_timeout', '0'),
    ('datestyle', 'ISO, YMD'),
    ('timezone', 'UTC'),
    ('extra_float_digits', '1')
) AS setting (name, value)
