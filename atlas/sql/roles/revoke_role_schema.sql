-- What a role had of the schema, and passed on
REVOKE ALL ON SCHEMA $schema FROM $role CASCADE
