-- Whether a process has run on this database with the real clock.
SELECT EXISTS (SELECT FROM $schema.runs WHERE clock = 'real') AS used
