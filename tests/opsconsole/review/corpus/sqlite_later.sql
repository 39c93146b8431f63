--- foreign-keys-off name-style rebuild-unproven rebuild-unproven
-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_User" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "email" TEXT NOT NULL
);
INSERT INTO "new_User" ("email", "id") SELECT "email", "id" FROM "User";
DROP TABLE "User";
ALTER TABLE "new_User" RENAME TO "User";
CREATE UNIQUE INDEX "User_email_key" ON "User"("email");
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;
--- benign
CREATE TABLE `posts` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`user_id` integer NOT NULL,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `posts_user_id_unique` ON `posts` (`user_id`);
--- benign
INSERT INTO "t" VALUES(1,'a',NULL,X'00FF',replace('a\nb','\n',char(10)));
--- restart-sequence delete-without-where restart-sequence
DELETE FROM sqlite_sequence; INSERT INTO sqlite_sequence VALUES('users', 12);
--- benign
CREATE TABLE t (a INT, b TEXT AS (upper(a)) STORED, c ANY) STRICT;
--- delete
DELETE FROM logs WHERE at < datetime('now', '-30 days');
--- update
UPDATE t SET a = 1 WHERE rowid IN (SELECT rowid FROM t LIMIT 10);
--- drop-view
DROP VIEW IF EXISTS main.v; CREATE VIEW v AS SELECT * FROM t;
--- pragma
PRAGMA recursive_triggers = ON;
--- benign
PRAGMA busy_timeout(5000); PRAGMA integrity_check; PRAGMA wal_checkpoint(TRUNCATE);
--- drop-trigger create-trigger
DROP TRIGGER IF EXISTS x; CREATE TRIGGER x INSTEAD OF INSERT ON v BEGIN INSERT INTO t VALUES (new.a); END;
--- unterminated
CREATE TRIGGER x AFTER UPDATE ON t BEGIN UPDATE t SET b = 1
--- upsert
INSERT INTO kv (k, v) SELECT k, v FROM other WHERE true ON CONFLICT(k) DO UPDATE SET v = excluded.v;
--- update
UPDATE sqlite_stat1 SET stat = '1' WHERE tbl = 't';
