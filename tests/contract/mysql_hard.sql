-- What hurts in both products. Names and rows that need the products' own words are added by mysql_cases.
SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION', time_zone = '+05:30';

CREATE TABLE `every type` (
  `id` bigint unsigned NOT NULL AUTO_INCREMENT,
  `ti` tinyint, `si` smallint unsigned, `mi` mediumint zerofill, `bi` bigint, `dec` decimal(65,30),
  `f` float, `d` double, `bit1` bit(1), `bit64` bit(64),
  `da` date, `t` time(6), `dt` datetime(6), `ts` timestamp(3) NULL, `y` year,
  `c` char(10), `vc` varchar(500), `b` binary(4), `vb` varbinary(300),
  `tb` tinyblob, `bl` blob, `lb` longblob, `tt` tinytext, `tx` text, `lt` longtext,
  `en` enum('a','b','it''s','ü'), `se` set('x','y z'),
  `js` json,
  `g` geometry, `p` point, `poly` polygon,
  `virtual` int GENERATED ALWAYS AS (`ti` * 2) VIRTUAL,
  `stored` varchar(600) GENERATED ALWAYS AS (concat('<', `vc`, '>')) STORED,
  `latin` varchar(20) CHARACTER SET latin1 COLLATE latin1_german1_ci,
  PRIMARY KEY (`id`), KEY `part` (`tx`(20)), FULLTEXT KEY `full` (`lt`), KEY `on virtual` (`virtual`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='it''s "all" of them; \\ and `ticks`\nand a second line';

INSERT INTO `every type` (`id`) VALUES (1);
INSERT INTO `every type` (`ti`, `si`, `mi`, `bi`, `dec`, `f`, `d`, `bit1`, `bit64`, `da`, `t`, `dt`, `ts`, `y`,
  `c`, `vc`, `b`, `vb`, `tb`, `bl`, `lb`, `tt`, `tx`, `lt`, `en`, `se`, `js`, `g`, `p`, `poly`, `latin`)
VALUES (-128, 65535, 42, -9223372036854775808, 12345678901234567890.123456789012345678901234567890,
  -1.5e-30, 1.7976931348623157e308, b'1', b'1000000000000000000000000000000000000000000000000000000000000001',
  '0000-00-00', '-838:59:59.000000', '0000-00-00 00:00:00', '2038-01-19 03:14:07.999', 2155,
  'tail ', 'naïve 😀 \0 \r\n\t\b\Z \\ '' " ` % ; -- /* */ /*!50001 DROP */', x'00FF0A27', NULL, x'', x'0A5C27', x'1A00',
  '', '\n-- Dump completed on 2020-01-01\n', '\nDELIMITER ;;\nCREATE DEFINER=`x`@`y` FUNCTION f()\n/*!50003 CREATE*/ ',
  'it''s', 'x,y z', '{"a": [1, null, "ü😀\\u0000", {"b": 1.5}]}',
  ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))'), ST_GeomFromText('POINT(-0.5 1e10)'),
  ST_GeomFromText('POLYGON((0 0,0 3,3 3,3 0,0 0),(1 1,1 2,2 2,2 1,1 1))'), 'größe');
INSERT INTO `every type` (`id`, `da`, `dt`, `vb`, `vc`) VALUES (18446744073709551610, '9999-12-31', '2024-00-15 25:00:00',
  x'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F303132333435363738393A3B3C3D3E3F404142434445464748494A4B4C4D4E4F505152535455565758595A5B5C5D5E5F606162636465666768696A6B6C6D6E6F707172737475767778797A7B7C7D7E7F808182838485868788898A8B8C8D8E8F909192939495969798999A9B9C9D9E9FA0A1A2A3A4A5A6A7A8A9AAABACADAEAFB0B1B2B3B4B5B6B7B8B9BABBBCBDBEBFC0C1C2C3C4C5C6C7C8C9CACBCCCDCECFD0D1D2D3D4D5D6D7D8D9DADBDCDDDEDFE0E1E2E3E4E5E6E7E8E9EAEBECEDEEEFF0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF', 'NULL');

-- A zero that is no "next value", and a counter that is ahead.
CREATE TABLE `zero` (`id` int NOT NULL AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT=4711;
SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
INSERT INTO `zero` VALUES (0), (7);

-- Names.
CREATE TABLE `a "quoted" na``me's` (`col``umn` int, `größe 数据` varchar(9), `;` int, `select` int);
INSERT INTO `a "quoted" na``me's` VALUES (1, '数据', 2, 3);
CREATE TABLE `-dash` (x int);
CREATE TABLE `100%` (x int);
INSERT INTO `100%` VALUES (1);
CREATE TABLE `no key` (x int, y text);
INSERT INTO `no key` VALUES (1, 'same'), (1, 'same'), (NULL, NULL), (NULL, '');

-- Engines without transactions.
CREATE TABLE `my isam` (x int, KEY (x)) ENGINE=MyISAM;
INSERT INTO `my isam` VALUES (1), (2);
CREATE TABLE `memory` (x int) ENGINE=MEMORY;
CREATE TABLE `archive or csv` (x int NOT NULL) ENGINE=CSV;
INSERT INTO `archive or csv` VALUES (5);

-- Foreign keys in a cycle, and to itself.
CREATE TABLE `hen` (id int PRIMARY KEY, egg int, mother int, KEY (egg), FOREIGN KEY (mother) REFERENCES `hen` (id));
CREATE TABLE `egg` (id int PRIMARY KEY, hen int NOT NULL, CONSTRAINT `laid by` FOREIGN KEY (hen) REFERENCES `hen` (id) ON DELETE CASCADE);
ALTER TABLE `hen` ADD CONSTRAINT `came from` FOREIGN KEY (egg) REFERENCES `egg` (id) ON UPDATE SET NULL;
SET foreign_key_checks = 0;
INSERT INTO `hen` VALUES (1, 1, 1), (2, 1, 1);
INSERT INTO `egg` VALUES (1, 2), (2, 1);
SET foreign_key_checks = 1;

-- Partitions.
CREATE TABLE `by range` (d date NOT NULL, x int, CHECK (x > 0)) PARTITION BY RANGE (YEAR(d)) SUBPARTITION BY HASH (x)
  SUBPARTITIONS 2 (PARTITION p0 VALUES LESS THAN (2000), PARTITION `p one` VALUES LESS THAN MAXVALUE);
INSERT INTO `by range` VALUES ('1999-12-31', 1), ('2024-02-29', 2);
CREATE TABLE `by key` (id int PRIMARY KEY) PARTITION BY KEY () PARTITIONS 3;
INSERT INTO `by key` VALUES (1), (2), (3), (4);

-- Views on views, made in an order that the names do not tell.
CREATE VIEW `z first` AS SELECT `id`, `vc`, 'a\n/*!50013 DEFINER=`q`@`q` SQL SECURITY DEFINER */ ; it''s' AS txt FROM `every type`;
CREATE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW `a second` AS SELECT * FROM `z first` WHERE id > 0 WITH CASCADED CHECK OPTION;
CREATE VIEW `m third` (`n``o`, `é`) AS SELECT count(*), max(`txt`) FROM `a second`;

DELIMITER $$
CREATE FUNCTION `fun`(a int, b varchar(20) CHARACTER SET latin1) RETURNS varchar(50) CHARSET utf8mb4 DETERMINISTIC NO SQL
  COMMENT 'it''s ü'
BEGIN
  -- CREATE DEFINER=`nobody`@`nowhere` FUNCTION
  DECLARE x varchar(200) DEFAULT 'a;b;; /*!50003 CREATE*/ "';
  IF a > 1 THEN RETURN concat(x, b); END IF;
  RETURN "DEFINER=`x`@`y`";
END$$
CREATE PROCEDURE `pro ``c ü`(IN a int, OUT b int, INOUT c json) MODIFIES SQL DATA SQL SECURITY INVOKER
BEGIN
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; END;
  SET @sql = 'CREATE DEFINER=`a`@`b` VIEW v AS
CREATE DEFINER=`a`@`b` VIEW v
/*!50013 DEFINER=`a`@`b` SQL SECURITY DEFINER */';
  SELECT count(*) INTO b FROM `z first`;
END$$
CREATE TRIGGER `tr before` BEFORE INSERT ON `no key` FOR EACH ROW BEGIN
  SET NEW.y = concat('trigger; ', NEW.y);
  IF NEW.x > 10 THEN SET NEW.x = 10; END IF;
END$$
CREATE TRIGGER `tr two` BEFORE INSERT ON `no key` FOR EACH ROW FOLLOWS `tr before` SET NEW.x = NEW.x$$
CREATE TRIGGER `it's` AFTER DELETE ON `my isam` FOR EACH ROW INSERT INTO `memory` VALUES (OLD.x)$$
CREATE EVENT `ev ent` ON SCHEDULE EVERY '1:30' HOUR_MINUTE STARTS '2030-01-01 00:00:00' ON COMPLETION PRESERVE DISABLE
  COMMENT 'ü' DO BEGIN DELETE FROM `memory`; END$$
CREATE EVENT `once` ON SCHEDULE AT '2037-01-01 12:00:00' DO SET @x = 1$$
SET SESSION sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES'$$
CREATE FUNCTION "ansi"() RETURNS text NO SQL RETURN 'back\slash' || 'x'$$
SET SESSION sql_mode = ''$$
DELIMITER ;
