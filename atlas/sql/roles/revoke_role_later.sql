-- What a role was to have of the tables that the owner makes later
ALTER DEFAULT PRIVILEGES FOR ROLE $owner IN SCHEMA $schema REVOKE ALL ON TABLES FROM $role
