-- One row where the limit that this session asked for at its start has arrived at the server: no pooler has kept it.
SELECT 1 FROM pg_catalog.pg_settings WHERE name = 'idle_in_transaction_session_timeout' AND source = 'client'
