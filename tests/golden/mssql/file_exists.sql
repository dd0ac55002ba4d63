EXEC master.sys.xp_fileexist N'\\nas\sql''s\backupctl_1.bak';
