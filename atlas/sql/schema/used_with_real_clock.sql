-- Return whether a run on this database used the real clock, as those without a note of it did.
SELECT EXISTS (SELECT FROM $schema.runs WHERE clock = 'real' OR clock IS NULL) AS used
