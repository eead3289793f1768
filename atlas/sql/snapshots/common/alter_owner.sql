-- Return the statement that sets the owner of a table to that of another one, unless that is the current user. $1 the table,
-- $2 the other one
SELECT format('ALTER TABLE $schema.%I OWNER TO %I', $1::text, pg_get_userbyid(relowner))
FROM pg_class
WHERE oid = format('$schema.%I', $2::text)::regclass AND pg_get_userbyid(relowner) <> current_user
