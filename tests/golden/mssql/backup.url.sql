BACKUP DATABASE [we ]]ird' [x]] "name" $(HOME) größe; --/*]
TO URL = N's3://s3.example.com/b/it%27s.1of2.bak', URL = N's3://s3.example.com/b/it%27s.2of2.bak'
WITH COPY_ONLY, FORMAT, CHECKSUM, COMPRESSION, MAXTRANSFERSIZE = 20971520, NAME = N'backupctl', STATS = 5, BACKUP_OPTIONS = '{"s3": {"region": "eu-central-1"}}';
