-- Return the oldest and the newest snapshot of a table. Reads it whole.
SELECT min(observed_at) AS oldest, max(observed_at) AS newest FROM $schema.$table
