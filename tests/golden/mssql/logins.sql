SELECT p.name AS login_name, p.type AS login_type, p.is_disabled AS is_disabled,
  CONVERT(varchar(180), p.sid, 1) AS sid,
  p.default_database_name AS default_database, p.default_language_name AS default_language,
  CONVERT(varchar(514), l.password_hash, 1) AS password_hash,
  l.is_policy_checked AS is_policy_checked, l.is_expiration_checked AS is_expiration_checked
FROM sys.server_principals AS p
LEFT JOIN sys.sql_logins AS l ON l.principal_id = p.principal_id
WHERE p.type IN ('S', 'U', 'G') AND p.principal_id > 1
ORDER BY p.name;
SELECT name AS role_name, is_fixed_role
FROM sys.server_principals
WHERE type = 'R' AND name <> N'public'
ORDER BY name;
SELECT r.name AS member_of, m.name AS member
FROM sys.server_role_members AS x
INNER JOIN sys.server_principals AS r ON r.principal_id = x.role_principal_id
INNER JOIN sys.server_principals AS m ON m.principal_id = x.member_principal_id
ORDER BY r.name, m.name;
SELECT g.name AS grantee, s.state_desc AS state_desc, s.permission_name AS permission_name
FROM sys.server_permissions AS s
INNER JOIN sys.server_principals AS g ON g.principal_id = s.grantee_principal_id
WHERE s.class_desc = 'SERVER' AND s.permission_name <> 'CONNECT SQL'
ORDER BY g.name, s.permission_name;
SELECT HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW ANY DEFINITION') AS sees_definitions,
  HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW ANY SECURITY DEFINITION') AS sees_security;
