-- $1 id, $2 finished, $3 outcome, $4 exit code, $5 stats, $6 error
UPDATE $schema.runs SET finished_at = $2, outcome = $3, exit_code = $4, stats = $5, error = $6 WHERE id = $1
