-- What roles may do beyond what they are for, whoever gave it to them. $1 names
SELECT role.rolname AS name, excess.may
FROM pg_roles AS role
CROSS JOIN LATERAL (
    SELECT 'anything: it is a superuser' AS may WHERE role.rolsuper
    UNION ALL
    SELECT 'make databases' WHERE role.rolcreatedb AND NOT role.rolsuper
    UNION ALL
    SELECT 'make roles' WHERE role.rolcreaterole AND NOT role.rolsuper
    UNION ALL
    SELECT format('what the owner %s may', pg_get_userbyid(relowner))
    FROM (
        SELECT relowner FROM pg_class
        WHERE oid IN ('$schema.videos'::regclass, '$schema.video_stats_log'::regclass) GROUP BY relowner
    ) AS owners
    WHERE NOT role.rolsuper AND pg_has_role(role.oid, relowner, 'MEMBER')
    UNION ALL
    SELECT 'create in the schema'
    WHERE NOT role.rolsuper AND has_schema_privilege(role.oid, '$schema'::regnamespace, 'CREATE')
) AS excess
WHERE role.rolname = ANY ($1::text[])
ORDER BY 1, 2
