-- End the open freeze; only the statement that ended it returns it. $1 first snapshot whose count moved again; NULL: it
-- was no freeze, and no snapshot is marked
UPDATE $schema.count_freezes SET ended_at = greatest($1::timestamptz, started_at) WHERE ended_at IS NULL
RETURNING started_at, ended_at, confirmed_at
