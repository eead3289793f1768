-- For the transaction of an export: it may take long, and it writes times and numbers in one way on every server.
SELECT set_config(name, value, true) FROM (VALUES
    ('idle_in_transaction_session_timeout', '0'),
    ('statement_timeout', '0'),
    ('datestyle', 'ISO, YMD'),
    ('timezone', 'UTC'),
    ('extra_float_digits', '1')
) AS setting (name, value)
