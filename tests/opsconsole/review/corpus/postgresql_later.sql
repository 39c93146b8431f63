--- name-style constraint-not-valid
-- CreateTable
CREATE TABLE "User" (
    "id" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "User_pkey" PRIMARY KEY ("id")
);
-- CreateIndex
CREATE UNIQUE INDEX "User_email_key" ON "User"("email");
-- AddForeignKey
ALTER TABLE "Post" ADD CONSTRAINT "Post_authorId_fkey" FOREIGN KEY ("authorId") REFERENCES "User"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
--- drop-column not-null-no-default
/*
  Warnings:
  - You are about to drop the column `name` on the `User` table. All the data in the column will be lost.
*/
-- AlterTable
ALTER TABLE "User" DROP COLUMN "name",
ADD COLUMN     "title" TEXT NOT NULL;
--- type-change-may-narrow
ALTER TABLE "users" ALTER COLUMN "role" SET DATA TYPE role USING "role"::role;
--- do-destroys
DO $$ BEGIN
 ALTER TABLE "posts" ADD CONSTRAINT "posts_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;
EXCEPTION
 WHEN duplicate_object THEN null;
END $$;
--> statement-breakpoint
--- function-call
SELECT add_compression_policy('conditions', compress_after => INTERVAL '60d');
--- function-call
SELECT remove_retention_policy('conditions');
--- function-call
SELECT cron.schedule('nightly', '0 3 * * *', 'DELETE FROM events');
--- drop-table drop-table cascade
DROP TABLE IF EXISTS "a", "b" CASCADE;
--- rename-column
ALTER TABLE "events" RENAME COLUMN "createdAt" TO "created_at";
--- type-change-may-narrow drop-type rename-table
CREATE TYPE "Role_new" AS ENUM ('A', 'B');
ALTER TABLE "User" ALTER COLUMN "role" TYPE "Role_new" USING ("role"::text::"Role_new");
ALTER TYPE "Role" RENAME TO "Role_old";
DROP TYPE "Role_old";
--- update set-not-null
UPDATE accounts SET plan = 'free' WHERE plan IS NULL;
ALTER TABLE accounts ALTER COLUMN plan SET NOT NULL;
--- benign
INSERT INTO roles (key, name) SELECT v.key, v.name FROM (VALUES ('a', 'A'), ('b', 'B')) AS v(key, name) WHERE NOT EXISTS (SELECT 1 FROM roles r WHERE r.key = v.key);
--- setting
SET SESSION default_transaction_read_only = off;
--- unrecognised
CREATE TABLE t2 (LIKE t1 INCLUDING ALL) SERVER foo;
--- benign
CREATE TABLE t2 (LIKE t1 INCLUDING ALL);
--- table-option
ALTER TABLE t SET (autovacuum_enabled = false, toast.autovacuum_enabled = false);
--- rewrite
ALTER TABLE t SET ACCESS METHOD heap2;
--- row-security row-security
ALTER TABLE profiles ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Public profiles" ON profiles FOR SELECT TO authenticated USING (true);
--- grant
GRANT USAGE ON SCHEMA public TO anon, authenticated;
--- function-call row-security
CREATE POLICY "own" ON profiles FOR UPDATE USING (auth.uid() = id);
--- delete
DELETE FROM sessions WHERE expires_at < now() - interval '30 days';
--- delete
DELETE FROM a WHERE ctid NOT IN (SELECT min(ctid) FROM a GROUP BY email);
--- update-without-where
UPDATE users SET email = lower(email);
--- update
WITH ranked AS (SELECT id, row_number() OVER (PARTITION BY a ORDER BY b) AS n FROM t) UPDATE t SET c = ranked.n FROM ranked WHERE ranked.id = t.id;
--- drop-constraint constraint-not-valid
ALTER TABLE t DROP CONSTRAINT IF EXISTS t_status_check;
ALTER TABLE t ADD CONSTRAINT t_status_check CHECK (status = ANY (ARRAY['a'::text, 'b'::text]));
--- index-not-concurrent index-name
CREATE INDEX ix_docs_tsv ON docs USING gin (to_tsvector('english'::regconfig, body));
--- unique-constraint
ALTER TABLE t ADD CONSTRAINT t_a_excl EXCLUDE USING gist (room WITH =, during WITH &&);
--- session-replication-role truncate session-replication-role
SET session_replication_role = 'replica'; TRUNCATE users; SET session_replication_role = 'origin';
--- drop-index index-not-concurrent
DROP INDEX IF EXISTS idx_t_a; CREATE INDEX idx_t_a ON t (a, b);
--- stored-column
ALTER TABLE t ADD COLUMN search tsvector GENERATED ALWAYS AS (to_tsvector('english', coalesce(title, ''))) STORED;
--- replace-function create-trigger
CREATE OR REPLACE FUNCTION set_updated_at() RETURNS trigger AS $$
BEGIN NEW.updated_at = now(); RETURN NEW; END;
$$ LANGUAGE plpgsql;
CREATE TRIGGER set_updated_at BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION set_updated_at();
--- unrecognised
ALTER LARGE OBJECT 1 OWNER TO joe;
--- function-call
SELECT nextval('a_seq'), pg_export_snapshot();
--- benign
DISCARD TEMP;
