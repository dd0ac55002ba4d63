SELECT k.encryptor_type AS encryptor_type, c.name AS certificate_name
FROM sys.dm_database_encryption_keys AS k
LEFT JOIN master.sys.certificates AS c ON c.thumbprint = k.encryptor_thumbprint
WHERE k.database_id = DB_ID(N'we ]ird'' [x] "name" $(HOME) größe; --/*');
