--- create-trigger fires-triggers=unknown
CREATE TABLE own (id);
CREATE TRIGGER t AFTER INSERT ON own BEGIN DELETE FROM users; END;
INSERT INTO own VALUES (1);
--- benign
CREATE TABLE own (id);
CREATE TRIGGER t BEFORE INSERT ON own BEGIN SELECT RAISE(ABORT, 'no') WHERE new.id < 0; END;
INSERT INTO own VALUES (1);
--- rename-column drop-column
ALTER TABLE t ADD COLUMN x;
ALTER TABLE t RENAME COLUMN email TO y;
ALTER TABLE t DROP COLUMN y;
--- catalogue update
UPDATE sqlite_master SET sql = 'x' WHERE name = 'y';
--- catalogue delete-without-where
DELETE FROM main.sqlite_schema;
--- restart-sequence delete-without-where
DELETE FROM sqlite_sequence;
--- delete-without-where
DELETE FROM users WHERE rowid = rowid OR name = 'x';
--- delete-without-where
DELETE FROM users WHERE id LIKE '%';
--- delete-without-where
DELETE FROM users WHERE id == id;
--- delete-without-where
DELETE FROM [users];
--- replace-row
INSERT OR REPLACE INTO `users` SELECT * FROM other;
--- replace-row unrecognised=destructive
WITH x AS (SELECT 1) REPLACE INTO users SELECT * FROM x;
--- drop-table
CREATE TABLE IF NOT EXISTS users (id);
DROP TABLE users;
--- rename-table drop-table
CREATE TABLE n (id);
ALTER TABLE users RENAME TO gone;
ALTER TABLE n RENAME TO users;
DROP TABLE gone;
--- rename-table rename-table drop-own-table
CREATE TABLE n (id);
DROP TABLE n;
ALTER TABLE users RENAME TO n;
ALTER TABLE n RENAME TO m;
--- drop-own-table rename-table drop-table
CREATE TABLE n (id);
DROP TABLE n;
ALTER TABLE users RENAME TO n;
DROP TABLE n;
--- foreign-keys-off drop-table
PRAGMA foreign_keys = 'off';
DROP TABLE users;
--- meta-command drop-table
SELECT 1;
.quit
DROP TABLE users;
--- function-call unrecognised
INSERT INTO t VALUES (1) RETURNING my_thing(1) FROM;
--- rename-table drop-table
ALTER TABLE users RENAME TO m;
CREATE TABLE IF NOT EXISTS m (id);
DROP TABLE m;
--- delete-without-where
CREATE TABLE IF NOT EXISTS m (id);
DELETE FROM m;
