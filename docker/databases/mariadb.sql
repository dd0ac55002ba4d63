-- Run once, when the database is made: something to back up, and a user that may read all of it and change nothing.
USE forum;
CREATE TABLE posts (id integer PRIMARY KEY, author text NOT NULL, placed timestamp NOT NULL DEFAULT now()) ENGINE=InnoDB;
INSERT INTO posts (id, author) SELECT seq, concat('author ', seq % 100) FROM seq_1_to_10000;

EXECUTE IMMEDIATE concat('CREATE USER backup IDENTIFIED BY ', quote(load_file('/run/secrets/forum_password')));
GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON forum.* TO backup;
-- To see routines; from MariaDB 11.3 on, SHOW CREATE ROUTINE ON forum.* is the narrower right.
GRANT SELECT ON mysql.proc TO backup;
