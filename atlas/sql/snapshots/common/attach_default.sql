-- Makes a table the partition of all rows that no other one takes.
ALTER TABLE $schema.$parent ATTACH PARTITION $schema.$table DEFAULT
