-- Drop a view that is computed when it is read.
DROP VIEW $schema.$view
