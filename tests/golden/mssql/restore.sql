RESTORE DATABASE [we ]]ird' [x]] "name" $(HOME) größe; --/*]
FROM DISK = N'D:\Back]up\it''s $(x)\backupctl_1.bak'
WITH MOVE N'it''s ]' TO N'C:\SQL\DATA\we__ird_1.mdf',
  MOVE N'log' TO N'E:\it''s logs\we__ird_1_1.ldf',
  CHECKSUM,
  RECOVERY,
  STATS = 5;
