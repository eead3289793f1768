-- Count the rows of a table up to a limit. $1 the limit
SELECT count(*) FROM (SELECT 1 FROM $schema.$table LIMIT $1::bigint) AS bounded
