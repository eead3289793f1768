-- Ends the open freeze; gives it to the one statement that did it. $1 first reading that moved again;
-- NULL: it was none, and marks no snapshot
UPDATE $schema.count_freezes SET ended_at = greatest($1::timestamptz, started_at) WHERE ended_at IS NULL
RETURNING started_at, ended_at, confirmed_at
