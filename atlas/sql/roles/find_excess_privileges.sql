-- List what roles may do beyond the rights that Maia grants. $1 names of the roles
WITH owners AS (
    SELECT relowner AS oid FROM pg_class
    WHERE oid IN ('$schema.videos'::regclass, '$schema.video_stats_log'::regclass) GROUP BY relowner
), tables AS (
    SELECT oid, relname, relowner, relacl FROM pg_class
    WHERE oid IN (
        '$schema.atlas_schema_version'::regclass, '$schema.search_queue'::regclass, '$schema.videos'::regclass,
        '$schema.channels'::regclass, '$schema.video_stats_log'::regclass, '$schema.api_keys'::regclass,
        '$schema.key_suspensions'::regclass, '$schema.api_calls'::regclass, '$schema.runs'::regclass,
        '$schema.events'::regclass, '$schema.notifications'::regclass, '$schema.count_freezes'::regclass,
        '$schema.video_growth'::regclass, '$schema.breakouts'::regclass, '$schema.growth_bands'::regclass,
        '$schema.growth_levels'::regclass,
        '$schema.video_velocity'::regclass, '$schema.video_stats_hourly'::regclass,
        '$schema.video_stats_daily'::regclass
    )
)
SELECT role.rolname AS name, excess.may
FROM pg_roles AS role
CROSS JOIN LATERAL (
    SELECT 'create databases' AS may WHERE role.rolcreatedb
    UNION ALL
    SELECT 'create roles' WHERE role.rolcreaterole
    UNION ALL
    SELECT 'bypass row-level security' WHERE role.rolbypassrls
    UNION ALL
    SELECT 'replicate the whole server' WHERE role.rolreplication
    UNION ALL
    SELECT format('everything that the owner %s may', pg_get_userbyid(oid)) FROM owners
    WHERE pg_has_role(role.oid, oid, 'MEMBER')
    UNION ALL
    SELECT 'create in the schema' WHERE has_schema_privilege(role.oid, '$schema'::regnamespace, 'CREATE')
    UNION ALL
    -- by PUBLIC, as a member of another role, or granted by a user other than the owner
    SELECT format('%s on %s', string_agg(privilege, ', ' ORDER BY privilege), relname)
    FROM tables, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS privilege
    WHERE EXISTS (
        SELECT FROM pg_roles AS holder
        WHERE pg_has_role(role.oid, holder.oid, 'MEMBER')
            AND CASE
                WHEN privilege IN ('INSERT', 'UPDATE', 'REFERENCES')
                    THEN has_any_column_privilege(holder.oid, tables.oid, privilege)
                ELSE has_table_privilege(holder.oid, tables.oid, privilege)
            END
    ) AND NOT EXISTS (
        SELECT FROM aclexplode(relacl) AS given
        WHERE given.grantee = role.oid AND given.grantor = relowner AND given.privilege_type = privilege
    ) AND NOT EXISTS (SELECT FROM owners WHERE pg_has_role(role.oid, oid, 'MEMBER'))
    GROUP BY relname
) AS excess
WHERE role.rolname = ANY ($1::text[])
ORDER BY 1, 2
