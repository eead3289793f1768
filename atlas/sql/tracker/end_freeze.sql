-- End the open freeze; return it to the one statement that did so. $1 first snapshot whose count moved again; NULL: it was
-- no freeze, and marks no snapshot
UPDATE $schema.count_freezes SET ended_at = greatest($1::timestamptz, started_at) WHERE ended_at IS NULL
RETURNING started_at, ended_at, confirmed_at
