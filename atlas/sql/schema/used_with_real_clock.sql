-- Return whether any run on this database used the real clock; runs that recorded no clock did.
SELECT EXISTS (SELECT FROM $schema.runs WHERE clock = 'real' OR clock IS NULL) AS used
