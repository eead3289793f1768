-- Drop a continuous aggregate with its rows and policies.
DROP MATERIALIZED VIEW $schema.$view
