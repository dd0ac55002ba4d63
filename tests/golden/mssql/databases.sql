SELECT name AS database_name, state_desc
FROM sys.databases
WHERE database_id > 4 AND source_database_id IS NULL
ORDER BY name;
