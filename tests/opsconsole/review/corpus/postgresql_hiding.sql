--- function-call
CREATE MATERIALIZED VIEW mv AS SELECT evil() AS x WITH NO DATA;
REFRESH MATERIALIZED VIEW CONCURRENTLY mv;
--- function-call
CREATE VIEW v AS SELECT evil();
SELECT * FROM v;
--- function-call
CREATE FUNCTION evil() RETURNS int LANGUAGE sql AS 'delete from users; select 1';
CREATE TABLE own (id int DEFAULT evil());
INSERT INTO own DEFAULT VALUES;
--- function-call
CREATE TABLE own (id int CHECK (evil() > 0), b numeric(10,2) DEFAULT 0, UNIQUE (id, b), FOREIGN KEY (id) REFERENCES t (id));
--- fires-triggers=unknown
CREATE TABLE own (id int);
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM users; RETURN NULL; END $$;
CREATE TRIGGER t AFTER INSERT ON own FOR EACH ROW EXECUTE FUNCTION f();
INSERT INTO own VALUES (1);
--- benign
CREATE TABLE own (id int, updated_at timestamptz);
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at = now(); RETURN NEW; END $$;
CREATE TRIGGER t BEFORE UPDATE ON own FOR EACH ROW EXECUTE FUNCTION f();
INSERT INTO own VALUES (1);
--- function-call
CREATE FUNCTION gone(users) RETURNS int LANGUAGE sql AS 'delete from users; select 1';
SELECT u.gone FROM users u;
--- function-call constraint-not-valid
ALTER TABLE t ADD CONSTRAINT c CHECK (evil(a));
--- function-call change-default
ALTER TABLE t ALTER COLUMN a SET DEFAULT evil();
--- function-call
CREATE DOMAIN d AS int CHECK (evil(VALUE));
--- function-call row-security
CREATE POLICY p ON t USING (evil());
--- create-trigger function-call
CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW WHEN (evil(NEW.b)) EXECUTE FUNCTION f();
--- drop-column
ALTER TABLE t ADD COLUMN IF NOT EXISTS email text;
ALTER TABLE t DROP COLUMN email;
--- benign
ALTER TABLE t ADD COLUMN email text;
ALTER TABLE t DROP COLUMN email;
--- rename-column rename-column drop-column
ALTER TABLE t ADD COLUMN x text;
ALTER TABLE t RENAME COLUMN x TO y;
ALTER TABLE t RENAME COLUMN email TO x;
ALTER TABLE t DROP COLUMN x;
--- rename-table rename-table drop-column
ALTER TABLE a ADD COLUMN x text;
ALTER TABLE a RENAME TO b;
ALTER TABLE c RENAME TO a;
ALTER TABLE a DROP COLUMN x;
--- update-without-where=warning
ALTER TABLE t ADD COLUMN x text;
UPDATE t SET x = 'a';
--- update-without-where=destructive
ALTER TABLE t ADD COLUMN x text;
UPDATE t SET x = 'a', email = NULL;
--- update-without-where=destructive
ALTER TABLE t ADD COLUMN IF NOT EXISTS x text;
UPDATE t SET x = 'a';
--- search-path drop-table
CREATE TABLE users (id int);
SET search_path = public;
DROP TABLE users;
--- drop-table
CREATE TABLE archive.users (id int);
DROP TABLE users;
--- rename-table drop-table
CREATE TABLE n (id int);
ALTER TABLE users RENAME TO gone;
ALTER TABLE n RENAME TO users;
DROP TABLE users;
--- catalogue update
UPDATE pg_class SET relname = 'x' WHERE relname = 'y';
--- catalogue delete
DELETE FROM pg_catalog.pg_attribute WHERE attname = 'a';
--- catalogue
INSERT INTO pg_catalog.pg_authid (rolname) VALUES ('x');
--- delete-without-where
DELETE FROM a USING b WHERE b.x = 1;
--- delete-without-where
DELETE FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.x = 1);
--- delete
DELETE FROM a x WHERE EXISTS (SELECT 1 FROM b WHERE b.x = x.id);
--- update-without-where
UPDATE a SET b = 1 FROM c WHERE c.x = 3;
--- delete-without-where
DELETE FROM a WHERE id IN (SELECT id FROM a);
--- delete-without-where
DELETE FROM a WHERE (id = 3 OR (1 = 1));
--- delete-without-where
DELETE FROM a WHERE a.id = a.id AND TRUE;
--- delete-without-where
DELETE FROM a WHERE EXISTS (SELECT 1);
--- delete-without-where
DELETE FROM a WHERE NOT (1 = 2);
--- execute
COMMIT PREPARED 'foobar';
--- execute
PREPARE TRANSACTION 'foobar';
--- cascade drop-view
DROP VIEW v CASCADE;
--- unrecognised=destructive
WITH a AS (SELECT 1) DROP TABLE b;
--- drop-table
DROP TABLE IF EXISTS "DROP"."TABLE";
--- drop-table unrecognised=destructive
DROP TABLE a b;
--- unterminated
CREATE TABLE a (x int; DROP TABLE b;
--- unrecognised=destructive
CREATE TABLE a (x int; DROP TABLE b);
DROP TABLE;
--- benign
SELECT 'it''s; DROP TABLE a', E'\'; DROP TABLE b', $q$ DROP TABLE c $q$, "DROP TABLE d" FROM e;
--- lo-unlink
SELECT lo_unlink(l.oid) FROM pg_largeobject_metadata l;
--- function-call
SELECT pg_catalog.pg_terminate_backend(1);
--- function-call
INSERT INTO a SELECT evil(b) FROM c ON CONFLICT DO NOTHING;
--- cte-update cte-delete
WITH x AS (UPDATE a SET b = 1 WHERE c = 2 RETURNING *), y AS (DELETE FROM d WHERE e = 3) SELECT * FROM x;
--- truncate
TRUNCATE ONLY a RESTART IDENTITY RESTRICT;
--- function-call
SELECT key(1);
--- function-call function-call unrecognised
SELECT isnull(1), set(2) FROM a;
--- function-call unrecognised
SELECT a, insert(1) FROM b;
--- benign
SELECT a::numeric(10,2), CAST(b AS vector(3)), c::vector(3) FROM d GROUP BY (e), f ORDER BY (g);
--- delete-without-where
DELETE FROM a WHERE current_user = 'joe';
--- delete-without-where
DELETE FROM a WHERE now() > '2020-01-01'::date;
--- delete-without-where
DELETE FROM a WHERE id > 0;
--- delete-without-where
DELETE FROM a WHERE id >= 1;
--- delete
DELETE FROM a WHERE id > 100;
--- delete-without-where
DELETE FROM a WHERE (SELECT true);
--- delete-without-where
DELETE FROM a WHERE now() AT TIME ZONE 'utc' > timestamp '2020-01-01';
--- setting
SET client_encoding = 'SJIS';
--- setting
SET NAMES 'GBK';
--- setting
SELECT set_config('client_encoding', 'BIG5', false);
--- benign
SET client_encoding = 'UTF8';
