--- rebuild-unproven table-rebuild
CREATE TABLE users_new (id INTEGER PRIMARY KEY, email TEXT NOT NULL);
INSERT INTO users_new SELECT * FROM users;
DROP TABLE users;
ALTER TABLE users_new RENAME TO users;
--- foreign-keys-off rebuild-unproven table-rebuild
PRAGMA foreign_keys=OFF;
CREATE TABLE users_new (id INTEGER PRIMARY KEY);
INSERT INTO users_new SELECT * FROM users;
DROP TABLE users;
ALTER TABLE users_new RENAME TO users;
PRAGMA foreign_keys=ON;
--- rebuild-incomplete rebuild-unproven
CREATE TABLE users_new (id INTEGER PRIMARY KEY);
INSERT INTO users_new SELECT * FROM users WHERE id > 3;
DROP TABLE users;
ALTER TABLE users_new RENAME TO users;
--- d1-refuses
BEGIN;
--- transaction-control transaction-control
BEGIN TRANSACTION;
SELECT 1;
COMMIT;
--- transaction-control d1-refuses transaction-control
BEGIN TRANSACTION;
BEGIN TRANSACTION;
COMMIT;
--- d1-refuses
SAVEPOINT a;
--- vacuum d1-refuses
VACUUM;
--- no-semicolon
SELECT 1
--- benign
SELECT 1; -- the end
