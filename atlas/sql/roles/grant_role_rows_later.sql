-- The same for tables that the owner makes later, at the next revision
ALTER DEFAULT PRIVILEGES FOR ROLE $owner IN SCHEMA $schema GRANT SELECT, INSERT, UPDATE ON TABLES TO $role
