-- Which of some roles there are. $1 names
SELECT rolname AS name FROM pg_roles WHERE rolname = ANY ($1::text[])
