SELECT TOP (1) s.database_name AS recorded_database, s.backup_size, s.compressed_backup_size,
  s.has_backup_checksums, s.is_copy_only
FROM msdb.dbo.backupset AS s
INNER JOIN msdb.dbo.backupmediafamily AS f ON f.media_set_id = s.media_set_id
WHERE f.physical_device_name = N'D:\Back]up\it''s $(x)\backupctl_1.bak'
ORDER BY s.backup_set_id DESC;
