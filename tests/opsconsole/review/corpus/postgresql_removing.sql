--- drop-table
DROP TABLE films;
--- drop-table drop-table
DROP TABLE IF EXISTS films, public.distributors;
--- drop-table cascade
DROP TABLE films CASCADE;
--- drop-table
DROP TABLE "Films" RESTRICT;
--- drop-schema
DROP SCHEMA mystuff;
--- drop-schema cascade
drop schema if exists mystuff cascade;
--- drop-database
DROP DATABASE IF EXISTS shop WITH (FORCE);
--- drop-materialized-view
DROP MATERIALIZED VIEW order_summary;
--- drop-type
DROP TYPE box;
--- drop-type cascade
DROP DOMAIN us_postal_code CASCADE;
--- drop-sequence
DROP SEQUENCE serial;
--- drop-extension
DROP EXTENSION hstore;
--- drop-extension cascade
DROP EXTENSION IF EXISTS hstore CASCADE;
--- drop-owned
DROP OWNED BY joe;
--- drop-tablespace
DROP TABLESPACE mystuff;
--- drop-subscription
DROP SUBSCRIPTION mysub;
--- drop-other
DROP FOREIGN TABLE films;
--- drop-other
DROP SERVER IF EXISTS foo;
--- drop-other cascade
DROP TEXT SEARCH CONFIGURATION my_english CASCADE;
--- drop-other
DROP PUBLICATION mypublication;
--- drop-other
DROP EVENT TRIGGER snitch;
--- drop-other
DROP RULE newrule ON mytable;
--- drop-index
DROP INDEX title_idx;
--- drop-index
DROP INDEX CONCURRENTLY IF EXISTS title_idx;
--- transaction-control drop-index concurrently-in-transaction transaction-control
BEGIN;
DROP INDEX CONCURRENTLY title_idx;
COMMIT;
--- drop-view
DROP VIEW kinds;
--- drop-view cascade
DROP VIEW IF EXISTS kinds CASCADE;
--- drop-function
DROP FUNCTION sqrt(integer);
--- drop-function drop-function
DROP FUNCTION sqrt(integer), sqrt(bigint);
--- drop-function
DROP PROCEDURE do_db_maintenance;
--- drop-function
DROP AGGREGATE myavg(integer);
--- drop-function
DROP ROUTINE foo(integer);
--- drop-trigger
DROP TRIGGER if_dist_exists ON films;
--- drop-policy
DROP POLICY p1 ON my_table;
--- role
DROP ROLE jonathan;
--- role
DROP USER IF EXISTS jonathan;
--- truncate
TRUNCATE bigtable;
--- truncate truncate
TRUNCATE TABLE bigtable, fattable RESTART IDENTITY;
--- truncate cascade
TRUNCATE othertable CASCADE;
--- truncate
TRUNCATE ONLY othertable;
--- delete-without-where
DELETE FROM films;
--- delete-without-where
DELETE FROM ONLY films AS f RETURNING *;
--- delete-without-where
DELETE FROM films WHERE true;
--- delete-without-where
DELETE FROM films WHERE 1 = 1;
--- delete-without-where
DELETE FROM films WHERE 'a' = 'a' OR kind = 'x';
--- delete-without-where
DELETE FROM films WHERE NOT false;
--- delete-without-where
DELETE FROM films WHERE (2 > 1);
--- delete-without-where
DELETE FROM films WHERE id = id;
--- delete-without-where
DELETE FROM films WHERE title LIKE '%';
--- delete
DELETE FROM films WHERE kind <> 'Musical';
--- delete
DELETE FROM tasks WHERE status = 'DONE' RETURNING *;
--- delete
DELETE FROM films USING producers WHERE producer_id = producers.id AND producers.name = 'foo';
--- delete
DELETE FROM tasks WHERE CURRENT OF c_tasks;
--- delete
DELETE FROM films WHERE NOT archived;
--- delete
DELETE FROM films WHERE a = 1 OR b = 2;
--- delete-without-where
/* DELETE FROM a WHERE id = 1; */ DELETE FROM b -- WHERE id = 1
--- delete-without-where
DELETE FROM "WHERE";
--- cte-delete
WITH moved AS (DELETE FROM products WHERE date >= '2010-10-01' RETURNING *) INSERT INTO products_log SELECT * FROM moved;
--- cte-update
WITH t AS (UPDATE products SET price = price * 1.05 RETURNING *) SELECT * FROM t;
--- cte-delete delete
WITH RECURSIVE parts(sub, part) AS (SELECT 1, 2), gone AS (DELETE FROM a WHERE id = 2) DELETE FROM parts2 WHERE part IN (SELECT part FROM parts);
--- update-without-where
UPDATE films SET kind = 'Dramatic';
--- update-without-where
UPDATE ONLY films SET (a, b) = (1, 2) WHERE TRUE;
--- update
UPDATE films SET kind = 'Dramatic' WHERE kind = 'Drama';
--- update
UPDATE employees SET sales_count = sales_count + 1 FROM accounts WHERE accounts.name = 'Acme' AND employees.id = accounts.sales_person;
--- update
UPDATE summary s SET (sum_x, avg_x) = (SELECT sum(x), avg(x) FROM data d WHERE d.group_id = s.group_id) WHERE s.id > 3;
--- update-without-where
UPDATE summary s SET sum_x = (SELECT sum(x) FROM data d WHERE d.group_id = s.group_id);
--- merge-delete
MERGE INTO wines w USING stock s ON s.winename = w.winename WHEN MATCHED AND s.delta = 0 THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.winename, 1);
--- merge
MERGE INTO customer_account ca USING recent t ON t.id = ca.id WHEN MATCHED THEN UPDATE SET balance = balance + t.value WHEN NOT MATCHED THEN INSERT (id, balance) VALUES (t.id, t.value);
--- drop-column
ALTER TABLE distributors DROP COLUMN address;
--- drop-column cascade
ALTER TABLE distributors DROP address CASCADE;
--- drop-column detach-partition
ALTER TABLE t DROP COLUMN a, DETACH PARTITION z;
--- drop-column drop-column
ALTER TABLE IF EXISTS ONLY t DROP COLUMN IF EXISTS a, DROP COLUMN b RESTRICT;
--- detach-partition
ALTER TABLE measurement DETACH PARTITION measurement_y2015m12;
--- detach-partition
ALTER TABLE measurement DETACH PARTITION measurement_y2015m12 CONCURRENTLY;
--- detach-partition
ALTER TABLE measurement DETACH PARTITION measurement_y2015m12 FINALIZE;
--- type-change-may-narrow
ALTER TABLE distributors ALTER COLUMN address TYPE varchar(30);
--- type-change-may-narrow type-change
ALTER TABLE distributors ALTER COLUMN address TYPE varchar(80), ALTER COLUMN name SET DATA TYPE text;
--- type-change-may-narrow
ALTER TABLE foo ALTER COLUMN foo_timestamp SET DATA TYPE timestamp with time zone USING timestamp with time zone 'epoch' + foo_timestamp * interval '1 second';
--- type-change
ALTER TABLE foo ALTER COLUMN a TYPE text USING a::text;
--- disable-trigger
ALTER TABLE t DISABLE TRIGGER ALL;
--- disable-trigger
ALTER TABLE t DISABLE TRIGGER USER;
--- disable-rls
ALTER TABLE t DISABLE ROW LEVEL SECURITY;
--- disable-rls
ALTER TABLE t NO FORCE ROW LEVEL SECURITY;
--- set-unlogged
ALTER TABLE t SET UNLOGGED;
--- drop-value
ALTER TYPE compfoo DROP ATTRIBUTE f3;
--- copy-program
COPY country FROM PROGRAM 'curl http://x';
--- copy-program
COPY country TO PROGRAM 'gzip > /tmp/x';
--- lo-unlink
SELECT lo_unlink(173454);
--- do-destroys
DO $$ BEGIN EXECUTE 'DR' || 'OP TABLE x'; END $$;
--- do-destroys
DO LANGUAGE plpgsql 'BEGIN DELETE FROM a; END';
--- do-block
DO $$ BEGIN CREATE TYPE mood AS ENUM ('sad'); EXCEPTION WHEN duplicate_object THEN NULL; END $$;
--- do-block
DO $$ -- DROP TABLE a
BEGIN RAISE NOTICE 'DELETE'; END $$;
--- drop-own-table
CREATE TABLE scratch (id int);
DROP TABLE scratch;
--- drop-table
CREATE TABLE IF NOT EXISTS scratch (id int);
DROP TABLE scratch;
--- drop-table
EXPLAIN ANALYZE SELECT 1;
DROP TABLE a;
--- delete-without-where
EXPLAIN (ANALYZE, BUFFERS) DELETE FROM films;
--- benign
EXPLAIN DELETE FROM films;
