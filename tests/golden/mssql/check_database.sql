DBCC CHECKDB (N'we ]ird'' [x] "name" $(HOME) größe; --/*') WITH NO_INFOMSGS, ALL_ERRORMSGS;
