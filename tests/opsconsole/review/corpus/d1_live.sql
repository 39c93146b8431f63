--- rebuild-cascades table-rebuild
CREATE TABLE users_new (id INTEGER PRIMARY KEY, email TEXT NOT NULL, name TEXT, age INTEGER);
INSERT INTO users_new SELECT * FROM users;
DROP TABLE users;
ALTER TABLE users_new RENAME TO users;
--- foreign-keys-off rebuild-cascades table-rebuild
PRAGMA foreign_keys=OFF;
CREATE TABLE `__new_users` (`id` integer PRIMARY KEY NOT NULL, `email` text, `name` text, `age` integer);
INSERT INTO `__new_users`("id", "email", "name", "age") SELECT "id", "email", "name", "age" FROM `users`;
DROP TABLE `users`;
ALTER TABLE `__new_users` RENAME TO `users`;
PRAGMA foreign_keys=ON;
--- name-style rebuild-cascades table-rebuild
PRAGMA defer_foreign_keys=true;
CREATE TABLE "new_Users" ("id" INTEGER NOT NULL PRIMARY KEY, email, name, age);
INSERT INTO "new_Users" ("id", "email", "name", "age") SELECT "id", "email", "name", "age" FROM "Users";
DROP TABLE "Users";
ALTER TABLE "new_Users" RENAME TO "Users";
PRAGMA defer_foreign_keys=false;
--- rebuild-cascades rebuild-incomplete
CREATE TABLE n (id INTEGER PRIMARY KEY, email TEXT);
INSERT INTO n SELECT id, email FROM users;
DROP TABLE users;
ALTER TABLE n RENAME TO users;
--- table-rebuild
CREATE TABLE n (id INTEGER PRIMARY KEY, label TEXT NOT NULL);
INSERT INTO n SELECT id, coalesce(label, '') FROM tags;
DROP TABLE tags;
ALTER TABLE n RENAME TO tags;
--- table-rebuild
ALTER TABLE tags RENAME TO tags_old;
CREATE TABLE tags (id INTEGER PRIMARY KEY, label TEXT NOT NULL);
INSERT INTO tags SELECT * FROM tags_old;
DROP TABLE tags_old;
--- table-rebuild
CREATE TABLE n AS SELECT * FROM tags;
DROP TABLE tags;
ALTER TABLE n RENAME TO tags;
--- rebuild-incomplete
CREATE TABLE n (id INTEGER PRIMARY KEY, label TEXT);
INSERT OR IGNORE INTO n SELECT * FROM tags;
DROP TABLE tags;
ALTER TABLE n RENAME TO tags;
--- rebuild-incomplete
CREATE TABLE n (id INTEGER PRIMARY KEY, label TEXT);
INSERT INTO n SELECT DISTINCT id, label FROM tags;
DROP TABLE tags;
ALTER TABLE n RENAME TO tags;
--- rebuild-incomplete
CREATE TABLE n (id INTEGER PRIMARY KEY, label TEXT);
INSERT INTO n SELECT min(id), label FROM tags;
DROP TABLE tags;
ALTER TABLE n RENAME TO tags;
--- rebuild-incomplete
CREATE TABLE n (id INTEGER PRIMARY KEY, label TEXT);
INSERT INTO n SELECT t.id, t.label FROM tags t LIMIT 10;
DROP TABLE tags;
ALTER TABLE n RENAME TO tags;
--- rebuild-incomplete
CREATE TABLE n (id INTEGER PRIMARY KEY, label TEXT);
INSERT INTO n SELECT t.id, t.label FROM tags t, users u;
DROP TABLE tags;
ALTER TABLE n RENAME TO tags;
--- rebuild-incomplete
CREATE TABLE n (id INTEGER PRIMARY KEY, label TEXT);
INSERT INTO n SELECT * FROM tags;
DELETE FROM n WHERE id > 3;
DROP TABLE tags;
ALTER TABLE n RENAME TO tags;
--- drop-table
CREATE TABLE n (id INTEGER PRIMARY KEY, label TEXT);
DROP TABLE tags;
ALTER TABLE n RENAME TO tags;
--- drop-table
CREATE TABLE n (id INTEGER PRIMARY KEY, label TEXT);
INSERT INTO n SELECT * FROM audit;
DROP TABLE tags;
ALTER TABLE n RENAME TO tags;
--- drop-table
CREATE TABLE n (id INTEGER PRIMARY KEY, label TEXT);
INSERT INTO n SELECT * FROM tags;
DROP TABLE tags;
--- table-rebuild delete-without-where
CREATE TABLE n (id INTEGER PRIMARY KEY, label TEXT);
INSERT INTO n SELECT * FROM tags;
DROP TABLE tags;
ALTER TABLE n RENAME TO tags;
DELETE FROM tags;
--- table-rebuild drop-table
CREATE TABLE n (id INTEGER PRIMARY KEY, label TEXT);
INSERT INTO n SELECT * FROM tags;
DROP TABLE tags;
ALTER TABLE n RENAME TO tags;
DROP TABLE tags;
--- drop-table
DROP TABLE users;
--- replace-row
REPLACE INTO users VALUES (1, 'a', 'b', 3);
--- delete delete-cascades
DELETE FROM users WHERE id = 3;
--- delete
DELETE FROM messages WHERE id = 3;
--- delete-without-where
DELETE FROM messages WHERE id IS NOT NULL;
--- fires-triggers update
UPDATE tags SET label = 'x' WHERE id = 3;
--- update=warning
ALTER TABLE messages ADD COLUMN seen INTEGER;
UPDATE messages SET seen = 1 WHERE id = 3;
--- update-without-where=warning
ALTER TABLE messages ADD COLUMN seen INTEGER;
UPDATE messages SET seen = 0;
--- drop-column
ALTER TABLE messages DROP COLUMN body;
--- rebuild-incomplete
CREATE TABLE n (id INTEGER PRIMARY KEY, label TEXT UNIQUE ON CONFLICT IGNORE);
INSERT INTO n SELECT * FROM tags;
DROP TABLE tags;
ALTER TABLE n RENAME TO tags;
--- rebuild-incomplete
CREATE TABLE n (label TEXT, id INTEGER PRIMARY KEY);
INSERT INTO n SELECT * FROM tags;
DROP TABLE tags;
ALTER TABLE n RENAME TO tags;
--- table-rebuild
CREATE TABLE n (name TEXT, id INTEGER PRIMARY KEY);
INSERT INTO n (id, name) SELECT id, label FROM tags;
DROP TABLE tags;
ALTER TABLE n RENAME TO tags;
--- rebuild-incomplete
CREATE TABLE n (id INTEGER PRIMARY KEY, label TEXT);
INSERT INTO n (label, id) SELECT id, label FROM tags;
DROP TABLE tags;
ALTER TABLE n RENAME TO tags;
