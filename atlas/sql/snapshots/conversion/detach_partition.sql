-- Makes a partition a table of its own.
ALTER TABLE $schema.$parent DETACH PARTITION $schema.$table
