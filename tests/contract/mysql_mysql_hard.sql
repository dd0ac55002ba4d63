-- What only MySQL has.
CREATE TABLE `defaults` (id binary(16) DEFAULT (uuid_to_bin(uuid())), hidden int INVISIBLE DEFAULT 3, j json DEFAULT (json_array(1)));
INSERT INTO `defaults` (id) VALUES (x'00112233445566778899AABBCCDDEEFF');
CREATE TABLE `functional` (a int, s json, KEY `f` ((a + 1)), KEY `desc` (a DESC), KEY `m` ((CAST(s->'$.x' AS UNSIGNED ARRAY))));
INSERT INTO `functional` VALUES (1, '{"x": [1, 2]}');
CREATE TABLE `srid` (p point NOT NULL SRID 4326, SPATIAL KEY (p));
INSERT INTO `srid` VALUES (ST_SRID(POINT(1, 2), 4326));
CREATE TABLE `roles` (x int) COLLATE utf8mb4_0900_as_cs;
