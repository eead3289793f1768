-- A role finds the tables
GRANT USAGE ON SCHEMA $schema TO $role
