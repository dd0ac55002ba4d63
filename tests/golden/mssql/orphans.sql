SELECT u.name AS user_name
FROM [we ]]ird' [x]] "name" $(HOME) größe; --/*].sys.database_principals AS u
LEFT JOIN sys.server_principals AS p ON p.sid = u.sid
WHERE u.type IN ('S', 'U', 'G') AND u.principal_id > 4 AND u.authentication_type IN (1, 3) AND p.sid IS NULL
ORDER BY u.name;
