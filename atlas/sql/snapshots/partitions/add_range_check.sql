-- The statement that has a table hold the rows of a range alone: it is attached without being read. $1 table, $2 from,
-- $3 to
SELECT format('ALTER TABLE $schema.%I ADD CONSTRAINT bounds CHECK (observed_at >= %L AND observed_at < %L)',
    $1::text, $2::timestamptz, $3::timestamptz)
