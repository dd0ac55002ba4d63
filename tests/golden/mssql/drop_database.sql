DROP DATABASE [we ]]ird' [x]] "name" $(HOME) größe; --/*];
