-- Return one row if the server received the startup parameter of this session, so that no pooler dropped it.
SELECT 1 FROM pg_catalog.pg_settings WHERE name = 'idle_in_transaction_session_timeout' AND source = 'client'
