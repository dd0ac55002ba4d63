-- Run once, when the database is made: something to back up, and a user that may read all of it and change nothing.
CREATE TABLE orders (id integer PRIMARY KEY, customer text NOT NULL, placed timestamptz NOT NULL DEFAULT now());
INSERT INTO orders (id, customer) SELECT n, 'customer ' || n % 100 FROM generate_series(1, 10000) AS n;

\set password `cat /run/secrets/shop_password`
CREATE ROLE backup LOGIN PASSWORD :'password';
GRANT pg_read_all_data TO backup;
