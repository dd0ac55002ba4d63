-- What hurts in a PostgreSQL schema: types, names, quoting, order of creation, rights, large objects.
CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EXTENSION IF NOT EXISTS hstore;
CREATE EXTENSION IF NOT EXISTS citext;
CREATE SCHEMA "Ünïcode schema";
CREATE SCHEMA private AUTHORIZATION "app owner";
CREATE TYPE mood AS ENUM ('happy', 'it''s', 'a;b', '');
CREATE TYPE pair AS (left_side int, right_side text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TYPE span AS RANGE (subtype = float8);

CREATE TABLE every_type (
  id bigint GENERATED ALWAYS AS IDENTITY (START 7 INCREMENT 3) PRIMARY KEY,
  a smallint, b int, c numeric, d real, e double precision, f money, g boolean,
  h char(5), i varchar, j text, k bytea, l date, m time, n timetz, o timestamp, p timestamptz, q interval,
  r uuid, s json, t jsonb, u inet, v cidr, w macaddr, x macaddr8, y bit(3), z varbit,
  aa point, ab line, ac lseg, ad box, ae path, af polygon, ag circle, ah tsvector, ai tsquery,
  aj int[], ak text[][], al int4range, am tstzrange, an nummultirange, ao mood, ap pair, aq positive, ar span,
  "as" hstore, at citext, au xml, av oid, aw pg_lsn, ax jsonpath, ay name,
  twice int GENERATED ALWAYS AS (b * 2) STORED
);
INSERT INTO every_type (a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z,
  aa, ab, ac, ad, ae, af, ag, ah, ai, aj, ak, al, am, an, ao, ap, aq, ar, "as", at, av, aw, ax, ay)
VALUES (32767, -1073741824, 123456789012345678901234567890.123456789, 'NaN', '-Infinity', 12.34, true,
  'ab', '', E'tab\t newline\n back\\slash \\. quote'' "double" 😀 𝒳', decode(
  (SELECT string_agg(lpad(to_hex(n), 2, '0'), '' ORDER BY n) FROM generate_series(0, 255) n), 'hex'),
  'infinity', '23:59:59.999999', '12:00+05:30', '4713-01-01 BC', '294276-12-31 23:59:59+00', '-1 year 2 mons -3 days',
  'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a" : [1,  null]}', '{"ключ": "\u00e9"}', '::1/64', '10.0.0.0/8',
  '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', B'101', B'1', '(1,2)', '{1,2,3}', '[(0,0),(1,1)]', '((0,0),(1,1))',
  '[(0,0),(1,1)]', '((0,0),(1,1),(2,0))', '<(1,1),2>', 'fat:1A cat', 'fat & !rat', '{1,NULL,3}', '{{"a","b,c"},{"",NULL}}',
  '[1,10)', '[2020-01-01,)', '{[1,2),[3,4)}', 'it''s', '(1,"x,y")', 5, '[0.5,2]', '"k=>"=>"v,\"", n=>NULL', 'CiText',
  42, '0/16B3748', '$.a[*] ? (@ > 1)', 'a name');
INSERT INTO every_type (j) VALUES (NULL), (''), (E'\\N'), (E'\\.'), ('GRANT ALL ON x TO y;'), (E'-- PostgreSQL database dump complete\n');
INSERT INTO every_type (b, k) SELECT n, decode(md5(n::text), 'hex') FROM generate_series(1, 200) n;

CREATE TABLE "Ünïcode schema"."select = ""from""; ' \ table" ("größe = ?" text, "a'b" int UNIQUE, "x;y" int DEFAULT 3);
INSERT INTO "Ünïcode schema"."select = ""from""; ' \ table" VALUES ('é', 1, NULL), (NULL, NULL, 2);
CREATE TABLE no_key (x int, y text);
INSERT INTO no_key VALUES (1, 'same'), (1, 'same'), (NULL, NULL);
CREATE TABLE no_columns ();
INSERT INTO no_columns DEFAULT VALUES;
CREATE UNLOGGED TABLE fleeting AS SELECT 1 AS x;

CREATE TABLE egg (id int PRIMARY KEY, hen int NOT NULL);
CREATE TABLE hen (id int PRIMARY KEY, egg int NOT NULL REFERENCES egg DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE egg ADD FOREIGN KEY (hen) REFERENCES hen DEFERRABLE INITIALLY DEFERRED;
CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree);
BEGIN; INSERT INTO egg VALUES (1, 1), (2, 2); INSERT INTO hen VALUES (1, 2), (2, 1); COMMIT;
INSERT INTO tree VALUES (1, NULL), (3, 1), (2, 3);

CREATE TABLE measured (at date NOT NULL, value int) PARTITION BY RANGE (at);
CREATE TABLE measured_2024 PARTITION OF measured FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY LIST (value);
CREATE TABLE measured_2024_one PARTITION OF measured_2024 FOR VALUES IN (1);
CREATE TABLE measured_2024_rest PARTITION OF measured_2024 DEFAULT;
CREATE TABLE measured_rest PARTITION OF measured DEFAULT;
CREATE INDEX ON measured (at, value DESC NULLS LAST) WHERE value > 0;
INSERT INTO measured SELECT date '2023-06-01' + n, n % 3 FROM generate_series(1, 500) n;
CREATE TABLE parent (x int); CREATE TABLE child (y int) INHERITS (parent); INSERT INTO child VALUES (1, 2);

CREATE VIEW first_view AS SELECT id, j FROM every_type WHERE j IS NOT NULL;
CREATE VIEW second_view WITH (security_barrier) AS SELECT f.*, 'a;b' AS semi FROM first_view f;
CREATE MATERIALIZED VIEW third_view AS SELECT count(*) AS n FROM second_view;
CREATE MATERIALIZED VIEW unfilled AS SELECT 1 AS x WITH NO DATA;
CREATE UNIQUE INDEX ON third_view (n);

CREATE SEQUENCE counter START 100 INCREMENT -5 MINVALUE -1000 MAXVALUE 100 CYCLE;
SELECT nextval('counter'), nextval('counter');
CREATE SEQUENCE "never used";

CREATE FUNCTION noisy(text) RETURNS text LANGUAGE plpgsql AS $body$
BEGIN
  -- GRANT in a comment; REVOKE too
  EXECUTE 'CREATE TEMP TABLE IF NOT EXISTS t (x int)';
  RETURN $q$GRANT ALL ON every_type TO PUBLIC;$q$ || $1 || E'\';';
END $body$;
CREATE FUNCTION atomic(x int) RETURNS int LANGUAGE sql BEGIN ATOMIC
  SELECT CASE WHEN x > 1 THEN 1 ELSE 2 END;
  SELECT x + 1;
END;
CREATE PROCEDURE reset() LANGUAGE sql AS 'DELETE FROM no_key WHERE x = 99;';
CREATE AGGREGATE longest(text) (SFUNC = textcat, STYPE = text);
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.y := coalesce(NEW.y, ''now; then''); RETURN NEW; END';
CREATE TRIGGER stamped BEFORE INSERT ON no_key FOR EACH ROW WHEN (NEW.x > 10) EXECUTE FUNCTION stamp();
CREATE RULE also AS ON DELETE TO tree DO ALSO (DELETE FROM no_key WHERE x = OLD.id; NOTIFY gone;);
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq, COMMUTATOR = ===);
CREATE COLLATION plain_c FROM "C";
CREATE STATISTICS related (dependencies) ON a, b FROM every_type;
CREATE PUBLICATION everything FOR TABLE no_key, hen;
CREATE EVENT TRIGGER watching ON ddl_command_start WHEN TAG IN ('DROP TABLE') EXECUTE FUNCTION watch();
CREATE TABLE guarded (owner text, x int);
INSERT INTO guarded VALUES ('a', 1), ('b', 2);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
ALTER TABLE guarded FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON guarded FOR SELECT TO "app ""reader""" USING (owner = current_user OR owner = 'a;b');
GRANT SELECT, INSERT (x) ON guarded TO "app ""reader""" WITH GRANT OPTION;
GRANT SELECT ON no_key TO PUBLIC;
ALTER TABLE tree OWNER TO "app owner";
ALTER DEFAULT PRIVILEGES FOR ROLE "app owner" IN SCHEMA private GRANT SELECT ON TABLES TO "größe";
REVOKE ALL ON FUNCTION noisy(text) FROM PUBLIC;
COMMENT ON TABLE every_type IS 'a comment; with '' everything OWNER TO nobody;';
COMMENT ON COLUMN every_type.j IS 'ü';
SELECT lo_from_bytea(5001, decode(repeat('00ff5c27', 3000), 'hex')), lo_from_bytea(5002, '');
ALTER LARGE OBJECT 5001 OWNER TO "app owner";
GRANT SELECT ON LARGE OBJECT 5002 TO "größe";
COMMENT ON LARGE OBJECT 5001 IS 'large';
