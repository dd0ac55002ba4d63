RESTORE VERIFYONLY FROM DISK = N'D:\Back]up\it''s $(x)\backupctl_1.bak' WITH CHECKSUM, STATS = 5;
