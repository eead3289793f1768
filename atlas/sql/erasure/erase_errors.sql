-- The errors of runs; what else is known of these runs stays. $1 ids of the runs
UPDATE $schema.runs SET error = NULL WHERE id = ANY ($1::uuid[])
