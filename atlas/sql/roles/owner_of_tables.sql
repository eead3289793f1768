-- Who makes the tables
SELECT pg_get_userbyid(relowner) AS name FROM pg_class WHERE oid = to_regclass('$schema.videos')
