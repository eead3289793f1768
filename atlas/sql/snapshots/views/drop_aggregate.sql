-- A continuous aggregate, with what it keeps and its policies.
DROP MATERIALIZED VIEW $schema.$view
