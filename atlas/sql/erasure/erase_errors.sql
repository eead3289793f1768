-- Clear the errors of runs. $1 ids of the runs
UPDATE $schema.runs SET error = NULL WHERE id = ANY ($1::uuid[])
