-- Return the statements that grant a new view to the users of the snapshots. $1 the view
SELECT format('GRANT %s ON $schema.%I TO %s', privilege_type, $1::text,
    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
FROM pg_class, aclexplode(relacl)
WHERE oid = '$schema.video_stats_log'::regclass AND grantee <> relowner AND privilege_type IN ('SELECT', 'DELETE')
