-- The statement that says what a view is. $1 the view, $2 what is said of it
SELECT format('COMMENT ON VIEW $schema.%I IS %L', $1::text, $2::text)
