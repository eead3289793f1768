-- Whether a process has run on this database with the real clock, as those did that noted none.
SELECT EXISTS (SELECT FROM $schema.runs WHERE clock = 'real' OR clock IS NULL) AS used
