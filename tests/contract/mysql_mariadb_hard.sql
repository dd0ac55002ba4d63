-- What only MariaDB has.
CREATE SEQUENCE `se quence` START WITH 100 INCREMENT BY 7 MAXVALUE 100000 CACHE 10 CYCLE;
SELECT NEXTVAL(`se quence`);
CREATE TABLE `aria` (x int, y text) ENGINE=Aria TRANSACTIONAL=1;
INSERT INTO `aria` VALUES (1, 'é');
CREATE TABLE `from sequence` (id bigint DEFAULT NEXTVAL(`se quence`), u uuid, i6 inet6, hidden int INVISIBLE DEFAULT 3);
INSERT INTO `from sequence` (u, i6) VALUES ('123e4567-e89b-12d3-a456-426655440000', '::1');
CREATE TABLE `compressed` (x text COMPRESSED) CHARSET=latin1;
INSERT INTO `compressed` VALUES (repeat('x', 500));
