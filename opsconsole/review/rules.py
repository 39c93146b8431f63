"""Every rule: what it is about and what to do instead. Each finding names one; docs/review.md lists them all."""

from __future__ import annotations

from dataclasses import dataclass

from opsconsole.review.findings import Severity

D, U, L, W, N = Severity.DESTRUCTIVE, Severity.UNKNOWN, Severity.LOCKING, Severity.WARNING, Severity.INFO


@dataclass(frozen=True)
class Rule:
    """`severity` is the usual one; what is known of the target may make it lighter or heavier."""

    id: str
    severity: Severity
    what: str
    hint: str


_BACKUP = "Take a backup that is read through first, and rehearse it."
_LATER = "Stop using it in one release and remove it in a later one."
_SAY = "Have somebody read it who knows what it does."
_LOCK = "Set lock_timeout, and run it when few others write."

_GONE = (
    Rule("drop-table", D, "DROP TABLE takes all rows with it", _LATER),
    Rule("drop-own-table", W, "DROP TABLE of a table that the same text made", ""),
    Rule("drop-column", D, "DROP COLUMN takes all its values with it", _LATER),
    Rule("drop-schema", D, "DROP SCHEMA", "Drop its objects by name, each after a look at it."),
    Rule("drop-database", D, "DROP DATABASE", "Leave it to whoever runs the server."),
    Rule("drop-materialized-view", D, "DROP MATERIALIZED VIEW takes its stored rows", "Keep its definition at hand."),
    Rule("drop-type", D, "DROP TYPE or DOMAIN", "See first which columns use it."),
    Rule("drop-sequence", D, "DROP SEQUENCE forgets the last number", "Note its last value first."),
    Rule("drop-extension", D, "DROP EXTENSION takes its types, and columns of them", "See first what depends on it."),
    Rule("drop-owned", D, "DROP OWNED takes everything that a role owns", "Use REASSIGN OWNED, or drop by name."),
    Rule("drop-tablespace", D, "DROP TABLESPACE", "Leave it to whoever runs the server."),
    Rule("drop-subscription", D, "DROP SUBSCRIPTION ends replication", "Disable it first, and wait."),
    Rule("drop-other", D, "DROP of any other kind of object", _SAY),
    Rule("cascade", D, "CASCADE drops whatever depends on it, unnamed", "Drop what depends on it by name."),
    Rule("truncate", D, "TRUNCATE takes all rows", "Use DELETE with a WHERE, in batches."),
    Rule("delete-without-where", D, "DELETE of all rows: no WHERE, or one that is always true",
         "Name the rows in a WHERE."),
    Rule("update-without-where", D, "UPDATE of all rows: no WHERE, or one that is always true",
         "Name the rows in a WHERE."),
    Rule("delete", W, "DELETE with a WHERE; destructive above a tenth of the rows", "Count with the same WHERE first."),
    Rule("update", W, "UPDATE with a WHERE; destructive above a tenth of the rows", "Count with the same WHERE first."),
    Rule("delete-cascades", D, "DELETE that takes rows of other tables by ON DELETE",
         "Delete the rows of those tables by name first."),
    Rule("cte-delete", D, "DELETE inside WITH", "Write it as a statement of its own."),
    Rule("cte-update", D, "UPDATE inside WITH", "Write it as a statement of its own."),
    Rule("merge-delete", D, "MERGE that deletes", "Write the DELETE as a statement of its own."),
    Rule("merge", W, "MERGE that updates rows", "Count the rows that match first."),
    Rule("upsert", W, "INSERT that updates rows which are there", "Use DO NOTHING if they should stay as they are."),
    Rule("replace-row", D, "REPLACE deletes rows that are in the way, and their children by cascade",
         "Use ON CONFLICT (key) DO UPDATE."),
    Rule("type-change-may-narrow", D, "A column's new type may not hold every old value",
         "Add a column, copy, compare, then switch."),
    Rule("detach-partition", D, "DETACH PARTITION takes the partition's rows out of the table",
         "Use CONCURRENTLY, and keep the partition until a backup holds it."),
    Rule("disable-trigger", D, "Triggers, and with ALL the foreign keys, stop working",
         "Leave them on; disable one by name inside a transaction."),
    Rule("disable-rls", D, "Row security is switched off: everybody sees all rows", "Add a policy instead."),
    Rule("set-unlogged", D, "An unlogged table is empty after a crash, and on replicas", "Keep it logged."),
    Rule("copy-program", D, "COPY runs a program on the server", "Load the rows from the client."),
    Rule("lo-unlink", D, "Removes large objects", _BACKUP),
    Rule("do-destroys", D, "A DO block that may drop, delete, change rows or run text that it makes",
         "Write it as plain statements."),
    Rule("writable-schema", D, "PRAGMA writable_schema lets a statement break the file", "Use ALTER TABLE."),
    Rule("catalogue", D, "A write to the catalogue of the database itself", "Use CREATE, ALTER and DROP."),
    Rule("drop-value", D, "Values of a composite type are dropped", _LATER),
    Rule("table-rebuild", W, "A table is copied, dropped and put back with all rows and columns",
         "Rehearse it: counts must be equal."),
    Rule("rebuild-incomplete", D, "A table is copied and dropped, and the copy leaves rows or columns out",
         "Copy every row and column."),
    Rule("rebuild-unproven", U, "A table is copied and dropped, and its columns are not known here",
         "Review it against the database."),
    Rule(
        "rebuild-cascades", D, "A table is dropped while rows of others refer to it with ON DELETE CASCADE or SET NULL",
        "Change the table in place with ALTER TABLE, or keep the children's rows in a table of their own and put them"
        " back in the same file. PRAGMA defer_foreign_keys does not stop a cascade, and foreign_keys=OFF has no effect"
        " in a transaction.",
    ),
)  # fmt: skip

_UNCLEAR = (
    Rule("unterminated", U, "A string, comment, name or body that never ends", "Close it."),
    Rule("nul", U, "A NUL character, at which databases stop reading", "Remove it."),
    Rule("meta-command", U, "A command to psql or the sqlite3 shell, which no database understands",
         "Write it in SQL."),
    Rule("copy-data", U, "COPY FROM STDIN with its rows in the file", "Use INSERT."),
    Rule("too-large", U, "More than 1 MB or 5 000 statements", "Cut it into several files."),
    Rule("unrecognised", U, "A statement that no rule knows", _SAY),
    Rule("function-call", U, "A function is called that is not known to be harmless", _SAY),
    Rule("do-block", U, "A DO block runs code", "Write it as plain statements."),
    Rule("call", U, "CALL runs a procedure", _SAY),
    Rule("execute", U, "PREPARE or EXECUTE", "Write the statement itself."),
    Rule("grant", U, "Rights change: GRANT, default privileges, owners", "Ask whoever is responsible for access."),
    Rule("role", U, "Roles are made, changed or removed", "Ask whoever is responsible for access."),
    Rule("password-in-text", W, "A password stands in the text: whoever may read the plan or the folder reads it",
         "Make the role without one, and set its password outside of migrations."),
    Rule("set-role", U, "SET ROLE or SESSION AUTHORIZATION: what follows runs with other rights",
         "Run it as the right role."),
    Rule("session-replication-role", U, "session_replication_role switches triggers and foreign keys off",
         "Leave it alone; order the rows instead."),
    Rule("setting", U, "A setting that is not known to be harmless", _SAY),
    Rule("server", U, "Changes the server, or what reaches outside of the database",
         "Leave it to whoever runs the server."),
    Rule("copy-file", U, "COPY reads or writes a file of the server", "Load the rows from the client."),
    Rule("create-extension", U, "An extension that is not known to be harmless", _SAY),
    Rule("untrusted-language", U, "A function in a language that may do anything", "Use SQL or PL/pgSQL."),
    Rule("rewrite-rule", U, "A rule rewrites other statements", "Use a trigger."),
    Rule("attach", U, "ATTACH or DETACH reaches another file", "Keep to one database."),
    Rule("vacuum-into", U, "VACUUM INTO writes a file", "Take a backup with the console."),
    Rule("load-extension", U, "Code is loaded from a file", "Leave it out."),
    Rule("pragma", U, "A PRAGMA that is not known to be harmless", "Leave it out."),
    Rule("virtual-table", U, "A virtual table of a module that is not known here", _SAY),
    Rule("fails-on-schema", U, "SQLite refuses the statement on a copy of the schema",
         "Correct it; it would fail there as well."),
    Rule("sqlite-reports", U, "SQLite itself reports an effect that the text does not show",
         "Look at triggers and foreign keys."),
)  # fmt: skip

_LOCKS = (
    Rule("index-not-concurrent", L, "CREATE INDEX keeps writers out while it builds",
         "Use CREATE INDEX CONCURRENTLY, alone and outside a transaction."),
    Rule("set-not-null", L, "SET NOT NULL reads the whole table under a lock",
         "Add CHECK (column IS NOT NULL) NOT VALID, validate it, then SET NOT NULL."),
    Rule("not-null-no-default", L, "A NOT NULL column without a default fails on any row",
         "Give it a default, or fill it before SET NOT NULL."),
    Rule("volatile-default", L, "A default that differs by row rewrites the table",
         "Add the column without it, set the default, then fill in batches."),
    Rule("stored-column", L, "A generated or numbered column rewrites the table", _LOCK),
    Rule("constraint-not-valid", L, "A constraint is checked against every row under a lock",
         "Add it NOT VALID, then VALIDATE CONSTRAINT."),
    Rule("unique-constraint", L, "A key builds its index under a lock",
         "Build the index with CONCURRENTLY, then ADD ... USING INDEX."),
    Rule("type-change", L, "A column's type changes; most changes rewrite the table", _LOCK),
    Rule("vacuum-full", L, "VACUUM FULL rewrites the table under a lock", "Use VACUUM."),
    Rule("cluster", L, "CLUSTER rewrites the table under a lock", _LOCK),
    Rule("reindex", L, "REINDEX keeps writers out", "On PostgreSQL use REINDEX CONCURRENTLY."),
    Rule("lock-table", L, "LOCK TABLE", _LOCK),
    Rule("refresh-materialized-view", L, "REFRESH keeps readers out",
         "Use CONCURRENTLY, with a unique index on the view."),
    Rule("rewrite", L, "The table is written anew under a lock", _LOCK),
    Rule("attach-partition", L, "ATTACH PARTITION reads the new part",
         "Give the part a CHECK that says the same first."),
    Rule("vacuum", L, "VACUUM of SQLite writes the whole file anew", "Leave it out of migrations."),
)  # fmt: skip

_CHANGES = (
    Rule("rename-table", W, "A table, view or type is renamed; whoever uses the old name fails",
         "Leave a view with the old name."),
    Rule("rename-column", W, "A column or value is renamed; whoever uses the old name fails",
         "Add a column, write both, remove the old one later."),
    Rule("move-schema", W, "An object moves to another schema", "Leave a view with the old name."),
    Rule("drop-index", W, "DROP INDEX; queries may become slow",
         "See first whether it is used; on PostgreSQL drop it CONCURRENTLY."),
    Rule("drop-view", W, "DROP VIEW", "See first who reads it."),
    Rule("drop-constraint", W, "DROP CONSTRAINT; nothing checks the rule any more", "Say why in the file."),
    Rule("drop-function", W, "DROP FUNCTION, PROCEDURE or AGGREGATE", "See first who calls it."),
    Rule("drop-trigger", W, "DROP TRIGGER; what it did is not done any more", "Say why in the file."),
    Rule("drop-policy", W, "DROP POLICY; other rows are seen or hidden", "Replace it in the same transaction."),
    Rule("drop-default", W, "DROP DEFAULT or IDENTITY; inserts that relied on it fail", _LATER),
    Rule("drop-not-null", W, "DROP NOT NULL; readers may meet NULL", "See that readers can take it."),
    Rule("change-default", N, "SET DEFAULT, for rows to come only", ""),
    Rule("revoke", W, "REVOKE; whoever relied on it fails", "Ask whoever is responsible for access."),
    Rule("replace-view", W, "CREATE OR REPLACE VIEW changes what readers see", "Compare the old definition."),
    Rule("replace-function", W, "CREATE OR REPLACE FUNCTION or PROCEDURE changes what callers get",
         "Keep the old text for the way back."),
    Rule("security-definer", W, "A function runs with its owner's rights", "Set its search_path."),
    Rule("create-trigger", W, "A trigger adds work to every later write", "Read its body as carefully as a statement."),
    Rule("fires-triggers", W, "Triggers of the table run as well", "Read what they do."),
    Rule("row-security", W, "Row security or a policy changes who sees which rows",
         "Try it with an application's role."),
    Rule("restart-sequence", W, "A sequence starts from another number; a lower one collides",
         "Set it to max(id) of the table."),
    Rule("table-option", W, "A property of the table changes", ""),
    Rule("search-path", W, "search_path: names may mean other objects", "Write schema.name."),
    Rule("foreign-keys-off", W, "PRAGMA foreign_keys=OFF; in a transaction, and on D1, it has no effect",
         "Do not rely on it."),
    Rule("user-version", W, "PRAGMA user_version or application_id changes a number that applications read", ""),
    Rule("concurrently-in-transaction", W, "CONCURRENTLY, VACUUM and the like fail inside a transaction",
         "Put it alone into a file that runs without one."),
    Rule("transaction-control", N, "BEGIN, COMMIT and the like in a migration; the tool has a transaction of its own",
         "Leave it out."),
    Rule("d1-refuses", W, "D1 refuses the statement", "Leave it out."),
    Rule("no-semicolon", W, "wrangler fails on a last statement without a semicolon", "Add it."),
    Rule("not-checked", N, "The schema could not be rebuilt in memory, so SQLite was not asked", ""),
    Rule("file-name", N, "A file is not named NNNN_description.sql", "Name it like 0007_add_users_email.sql."),
    Rule("name-style", N, "A new name is not in snake_case", "Use small letters, digits and underscores."),
    Rule("index-name", N, "A new index is not named idx_table_column", "Name it idx_ and table and columns."),
)  # fmt: skip

RULES: dict[str, Rule] = {rule.id: rule for rule in (*_GONE, *_UNCLEAR, *_LOCKS, *_CHANGES)}
