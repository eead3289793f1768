-- What a role had of the schema
REVOKE ALL ON SCHEMA $schema FROM $role
