-- Return the statements that copy the grants of one table to another. $1 table with the grants, $2 the other
SELECT format('GRANT %s ON $schema.%I TO %s%s', privilege_type, $2::text,
    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
    CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_class, aclexplode(relacl)
WHERE oid = format('$schema.%I', $1::text)::regclass AND grantee <> relowner
UNION ALL
SELECT format('GRANT %s (%I) ON $schema.%I TO %s%s', privilege_type, attname, $2::text,
    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
    CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_attribute, aclexplode(attacl)
WHERE attrelid = format('$schema.%I', $1::text)::regclass
