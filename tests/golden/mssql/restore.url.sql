RESTORE DATABASE [we ]]ird' [x]] "name" $(HOME) größe; --/*]
FROM URL = N's3://s3.example.com/b/it%27s.1of2.bak', URL = N's3://s3.example.com/b/it%27s.2of2.bak'
WITH MOVE N'it''s ]' TO N'C:\SQL\DATA\we__ird_1.mdf',
  MOVE N'log' TO N'E:\it''s logs\we__ird_1_1.ldf',
  CHECKSUM,
  RECOVERY,
  STATS = 5,
  RESTORE_OPTIONS = '{"s3": {"region": "eu-central-1"}}';
