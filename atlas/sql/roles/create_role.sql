-- Create a role that cannot log in: its members have its rights.
CREATE ROLE $role NOLOGIN
