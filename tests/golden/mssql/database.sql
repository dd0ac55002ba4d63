SELECT d.name AS database_name, d.state_desc, d.user_access_desc, d.recovery_model_desc,
  d.is_in_standby, d.is_encrypted, d.source_database_id, d.compatibility_level, d.collation_name,
  HAS_PERMS_BY_NAME(QUOTENAME(d.name), 'DATABASE', 'BACKUP DATABASE') AS may_back_up,
  (SELECT SUM(CAST(f.size AS bigint)) * 8192 FROM sys.master_files AS f
    WHERE f.database_id = d.database_id AND f.type <> 1) AS data_bytes
FROM sys.databases AS d
WHERE d.name = N'we ]ird'' [x] "name" $(HOME) größe; --/*';
