RESTORE HEADERONLY FROM URL = N's3://s3.example.com/b/it%27s.1of2.bak' WITH RESTORE_OPTIONS = '{"s3": {"region": "eu-central-1"}}';
