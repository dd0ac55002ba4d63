BACKUP DATABASE [we ]]ird' [x]] "name" $(HOME) größe; --/*]
TO DISK = N'D:\Back]up\it''s $(x)\backupctl_1.bak'
WITH COPY_ONLY, FORMAT, INIT, CHECKSUM, NAME = N'backupctl', STATS = 5;
