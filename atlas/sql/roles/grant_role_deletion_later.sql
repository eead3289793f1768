-- The same for tables that the owner makes later
ALTER DEFAULT PRIVILEGES FOR ROLE $owner IN SCHEMA $schema GRANT DELETE ON TABLES TO $role
