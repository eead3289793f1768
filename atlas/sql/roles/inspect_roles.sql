-- List the wanted roles with the owner of the tables: whether each exists, and why its rights must not be changed (that
-- would revoke rights of the owner or the current user, or have no effect). $1 names of the roles
WITH RECURSIVE owners AS (
    SELECT relowner AS oid FROM pg_class WHERE oid IN ('$schema.videos'::regclass, '$schema.video_stats_log'::regclass)
    UNION
    SELECT nspowner FROM pg_namespace WHERE oid = '$schema'::regnamespace
), memberships AS (
    -- not pg_has_role: for it a superuser is a member of every role. Since PostgreSQL 16 the creator of a role has a
    -- membership without any of the role's rights
    SELECT roleid, member FROM pg_auth_members
    WHERE coalesce((to_jsonb(pg_auth_members) ->> 'inherit_option')::boolean, true)
        OR coalesce((to_jsonb(pg_auth_members) ->> 'set_option')::boolean, true)
), groups AS (
    SELECT memberships.roleid AS oid FROM memberships JOIN owners ON owners.oid = memberships.member
    UNION
    SELECT memberships.roleid FROM memberships JOIN groups ON groups.oid = memberships.member
)
SELECT
    wanted.name,
    role.oid IS NOT NULL AS exists,
    CASE
        WHEN role.oid IN (SELECT oid FROM owners) THEN 'is the owner of the tables or their schema'
        WHEN role.rolname IN (current_user, session_user) THEN 'is the user that DATABASE_URL names'
        WHEN role.oid IN (SELECT oid FROM groups) THEN 'has the owner of the tables as a member'
        WHEN role.rolsuper THEN 'is a superuser, whose rights cannot be limited'
    END AS unsafe,
    (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = '$schema.videos'::regclass) AS owner
FROM unnest($1::text[]) WITH ORDINALITY AS wanted (name, place)
LEFT JOIN pg_roles AS role ON role.rolname = wanted.name
ORDER BY wanted.place
