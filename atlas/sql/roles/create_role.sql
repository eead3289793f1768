-- A group: nobody logs in as it, and whoever is a member has its rights
CREATE ROLE $role NOLOGIN
