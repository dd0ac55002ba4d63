SELECT f.physical_name AS file_path, f.type AS file_type
FROM sys.master_files AS f
WHERE f.database_id = DB_ID(N'we ]ird'' [x] "name" $(HOME) größe; --/*');
