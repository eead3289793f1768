-- Return the statement that sets the comment of a view. $1 the view, $2 the comment
SELECT format('COMMENT ON VIEW $schema.%I IS %L', $1::text, $2::text)
