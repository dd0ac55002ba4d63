SELECT name AS credential_name
FROM sys.credentials
WHERE credential_identity IN (N'S3 Access Key', N'backupctl')
ORDER BY name;
