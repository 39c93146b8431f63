--- benign
CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT UNIQUE NOT NULL COLLATE NOCASE, at TEXT DEFAULT (datetime('now')));
--- benign
CREATE TABLE IF NOT EXISTS t (a, b, PRIMARY KEY (a, b)) WITHOUT ROWID, STRICT;
--- name-style
CREATE TABLE [Order Details] (id INTEGER);
--- name-style
CREATE TABLE userProfiles (id INTEGER);
--- benign
CREATE TEMP TABLE t AS SELECT a, count(*) FROM b GROUP BY a;
--- function-call
CREATE TABLE t AS SELECT my_function(a) FROM b;
--- benign
CREATE INDEX idx_users_email ON users (lower(email)) WHERE email IS NOT NULL;
--- index-name
CREATE INDEX IF NOT EXISTS main.by_email ON users (email);
--- benign
CREATE UNIQUE INDEX users_email_unique ON users (email);
--- benign
CREATE VIEW IF NOT EXISTS v AS SELECT * FROM users;
--- create-trigger
CREATE TRIGGER update_customer_address UPDATE OF address ON customers BEGIN UPDATE orders SET address = new.address WHERE customer_name = old.name; END;
--- create-trigger
CREATE TEMP TRIGGER IF NOT EXISTS gone AFTER DELETE ON a WHEN old.b > 1 BEGIN DELETE FROM c; INSERT INTO d VALUES (1); END;
--- benign
CREATE VIRTUAL TABLE email USING fts5(sender, title, body);
--- virtual-table
CREATE VIRTUAL TABLE temp.t1 USING csv(filename='thefile.csv');
--- drop-table
DROP TABLE users;
--- drop-table
DROP TABLE IF EXISTS main."users";
--- drop-own-table
CREATE TABLE keep AS SELECT * FROM users;
DROP TABLE keep;
--- drop-index
DROP INDEX IF EXISTS idx_users_email;
--- drop-view
DROP VIEW v;
--- drop-trigger
DROP TRIGGER gone;
--- unrecognised=destructive
DROP SCHEMA x;
--- benign
ALTER TABLE users ADD COLUMN age INTEGER;
--- benign
ALTER TABLE users ADD age INTEGER NOT NULL DEFAULT 0 CHECK (age >= 0);
--- not-null-no-default
ALTER TABLE users ADD COLUMN age INTEGER NOT NULL;
--- volatile-default
ALTER TABLE users ADD COLUMN at TEXT DEFAULT (datetime('now'));
--- volatile-default
ALTER TABLE users ADD COLUMN at TEXT DEFAULT CURRENT_TIMESTAMP;
--- drop-column
ALTER TABLE users DROP COLUMN age;
--- rename-column
ALTER TABLE users RENAME COLUMN age TO years;
--- rename-column
ALTER TABLE users RENAME age TO years;
--- rename-table
ALTER TABLE users RENAME TO people;
--- unrecognised
ALTER TABLE users ALTER COLUMN age SET NOT NULL;
--- delete-without-where
DELETE FROM users;
--- delete-without-where
DELETE FROM users WHERE 1;
--- delete-without-where
DELETE FROM users AS u NOT INDEXED WHERE 1 IS 1;
--- delete
DELETE FROM users WHERE id NOT IN (SELECT user_id FROM sessions);
--- delete
DELETE FROM users INDEXED BY idx_users_email WHERE email = 'a';
--- update-without-where
UPDATE users SET age = 1;
--- update
UPDATE users SET age = age + 1 WHERE id = 3;
--- update
UPDATE inventory SET quantity = quantity - daily.amt FROM (SELECT sum(quantity) AS amt, itemId FROM sales GROUP BY 2) AS daily WHERE inventory.itemId = daily.itemId;
--- replace-row update
UPDATE OR REPLACE users SET id = 4 WHERE id = 3;
--- replace-row
REPLACE INTO users VALUES (1, 'a');
--- replace-row
INSERT OR REPLACE INTO users (id, email) VALUES (1, 'a');
--- benign
INSERT OR IGNORE INTO users (id) VALUES (1), (2);
--- benign
INSERT INTO users SELECT * FROM other;
--- upsert
INSERT INTO vocabulary (word) VALUES ('jovial') ON CONFLICT (word) DO UPDATE SET count = count + 1;
--- benign
INSERT INTO t VALUES (replace('a\nb', '\n', char(10)), X'00ff', -1.5e3);
--- benign
SELECT u.*, json_extract(data, '$.a') ->> 'b' FROM users u, json_each(u.data) WHERE u.id > :id;
--- function-call
SELECT writefile('x', 'y');
--- load-extension
SELECT load_extension('evil.so');
--- function-call
SELECT fts3_tokenizer('a', X'00');
--- benign
WITH RECURSIVE cnt(x) AS (VALUES(1) UNION ALL SELECT x+1 FROM cnt WHERE x < 10) SELECT x FROM cnt;
--- delete
WITH old AS (SELECT id FROM users WHERE age > 99) DELETE FROM users WHERE id IN (SELECT id FROM old);
--- benign
PRAGMA foreign_keys = ON; PRAGMA defer_foreign_keys = true; PRAGMA table_info('users'); PRAGMA foreign_key_check; PRAGMA optimize; PRAGMA user_version;
--- foreign-keys-off
PRAGMA foreign_keys=OFF;
--- foreign-keys-off
PRAGMA main.foreign_keys(0);
--- user-version
PRAGMA user_version = 4;
--- writable-schema
PRAGMA writable_schema = 1;
--- writable-schema
PRAGMA writable_schema=RESET;
--- pragma
PRAGMA auto_vacuum = FULL;
--- pragma
PRAGMA journal_mode = OFF;
--- pragma
PRAGMA legacy_alter_table = ON;
--- pragma
PRAGMA ignore_check_constraints = 1;
--- pragma
PRAGMA temp_store_directory = '/tmp';
--- pragma
PRAGMA hard_heap_limit = 1;
--- attach
ATTACH DATABASE 'other.db' AS other;
--- attach drop-table attach
ATTACH 'other.db' AS other; DROP TABLE other.users; DETACH other;
--- vacuum
VACUUM;
--- vacuum-into
VACUUM main INTO '/tmp/x.db';
--- reindex
REINDEX users;
--- benign
ANALYZE; ANALYZE main.users;
--- transaction-control transaction-control
BEGIN IMMEDIATE; COMMIT;
--- transaction-control vacuum concurrently-in-transaction transaction-control
BEGIN; VACUUM; END;
--- transaction-control transaction-control transaction-control
SAVEPOINT a; RELEASE a; ROLLBACK;
--- benign
EXPLAIN QUERY PLAN DELETE FROM users;
--- meta-command
.read other.sql
SELECT 1;
--- meta-command
SELECT 1;
.shell rm -rf /
--- unterminated
CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b;
--- unterminated
SELECT [a;
--- unterminated
SELECT `a;
--- unterminated
SELECT 1; /* DROP TABLE a;
--- unrecognised
GRANT ALL ON users TO bob;
--- unrecognised=destructive
TRUNCATE users;
--- unrecognised
DELETE users WHERE id = 1 ORDER;
--- update-without-where
UPDATE users SET a = 'x WHERE id = 1';
--- drop-table
-- SELECT
DROP/**/TABLE/* a */"a;b"
