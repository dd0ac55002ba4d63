ALTER CREDENTIAL [s3://s3.example.com/bucket/job's ]]] WITH IDENTITY = N'S3 Access Key', SECRET = N'AK''IA:se''cr]et;--';
