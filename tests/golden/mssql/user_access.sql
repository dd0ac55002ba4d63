ALTER DATABASE [we ]]ird' [x]] "name" $(HOME) größe; --/*] SET RESTRICTED_USER;
