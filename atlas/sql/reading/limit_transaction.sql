-- Limit the statements of this transaction, and let them name tables without their schema. $1 milliseconds, $2 schema
SELECT set_config('statement_timeout', $1, true), set_config('search_path', quote_ident($2) || ', public', true)
