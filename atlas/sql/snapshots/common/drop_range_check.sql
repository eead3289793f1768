-- The bounds that got a table attached: the partition has its own.
ALTER TABLE $schema.$table DROP CONSTRAINT IF EXISTS bounds
