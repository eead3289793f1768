-- Which of some roles cannot be made ones with few rights, and why: to revoke what they have would take it from the
-- owner or from who runs this, or take nothing. $1 names
WITH RECURSIVE owners AS (
    SELECT relowner AS oid FROM pg_class WHERE oid IN ('$schema.videos'::regclass, '$schema.video_stats_log'::regclass)
    UNION
    SELECT nspowner FROM pg_namespace WHERE oid = '$schema'::regnamespace
), memberships AS (
    -- pg_has_role says of a superuser that it is a member of every role. Who makes a role has since PostgreSQL 16 a
    -- membership that gives it none of the role's rights
    SELECT roleid, member FROM pg_auth_members
    WHERE coalesce((to_jsonb(pg_auth_members) ->> 'inherit_option')::boolean, true)
        OR coalesce((to_jsonb(pg_auth_members) ->> 'set_option')::boolean, true)
), groups AS (
    SELECT memberships.roleid AS oid FROM memberships JOIN owners ON owners.oid = memberships.member
    UNION
    SELECT memberships.roleid FROM memberships JOIN groups ON groups.oid = memberships.member
)
SELECT
    rolname AS name,
    CASE
        WHEN oid IN (SELECT oid FROM owners) THEN 'is the owner of the tables or their schema'
        WHEN rolname IN (current_user, session_user) THEN 'is the user that DATABASE_URL names'
        WHEN oid IN (SELECT oid FROM groups) THEN 'has the owner of the tables as a member'
        WHEN rolsuper THEN 'is a superuser, whom no right can be kept from'
    END AS why
FROM pg_roles
WHERE rolname = ANY ($1::text[])
    AND (
        rolsuper OR rolname IN (current_user, session_user)
        OR oid IN (SELECT oid FROM owners UNION SELECT oid FROM groups)
    )
ORDER BY 1
