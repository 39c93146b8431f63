--- drop-table
DROP TABLE drafts;
--- index-not-concurrent=locking
CREATE INDEX idx_messages_body ON messages (body);
--- index-not-concurrent=warning
CREATE INDEX idx_tags_label ON public.tags (label);
--- set-not-null=warning
ALTER TABLE tags ALTER COLUMN label SET NOT NULL;
--- set-not-null=locking
ALTER TABLE messages ALTER COLUMN body SET NOT NULL;
--- type-change=locking
ALTER TABLE users ALTER COLUMN age TYPE bigint;
--- type-change=warning
ALTER TABLE users ALTER COLUMN email TYPE varchar(120);
--- type-change=warning
ALTER TABLE users ALTER COLUMN email TYPE text;
--- type-change-may-narrow
ALTER TABLE users ALTER COLUMN email TYPE varchar(40);
--- type-change-may-narrow
ALTER TABLE users ALTER COLUMN age TYPE smallint;
--- type-change-may-narrow
ALTER TABLE messages ALTER COLUMN score TYPE numeric(10,1);
--- type-change=locking
ALTER TABLE messages ALTER COLUMN score TYPE numeric(12,3);
--- type-change-may-narrow
ALTER TABLE messages ALTER COLUMN score TYPE numeric(10,3);
--- delete-cascades delete
DELETE FROM users WHERE age > 3;
--- truncate cascade cascade
TRUNCATE users CASCADE;
--- drop-table
CREATE TABLE IF NOT EXISTS tags (id int);
DROP TABLE tags;
--- drop-own-table
CREATE TABLE IF NOT EXISTS brand_new (id int);
DROP TABLE brand_new;
--- fires-triggers update-without-where
UPDATE tags SET label = 'x';
--- move-schema drop-table
ALTER TABLE users SET SCHEMA archive;
CREATE TABLE IF NOT EXISTS archive.users (id int);
DROP TABLE archive.users;
--- delete-without-where
CREATE TABLE IF NOT EXISTS some_view (id int);
DELETE FROM some_view;
--- table-option truncate
CREATE TABLE p (LIKE users);
ALTER TABLE users INHERIT p;
TRUNCATE p;
--- attach-partition drop-table
CREATE TABLE p (LIKE users) PARTITION BY RANGE (id);
ALTER TABLE p ATTACH PARTITION users DEFAULT;
DROP TABLE p;
--- delete-without-where delete-cascades
CREATE TABLE t (id bigint PRIMARY KEY);
ALTER TABLE messages ADD FOREIGN KEY (user_id) REFERENCES t ON DELETE CASCADE NOT VALID;
DELETE FROM t;
--- delete delete-cascades
ALTER TABLE tags ADD CONSTRAINT c FOREIGN KEY (id) REFERENCES drafts ON DELETE CASCADE NOT VALID;
DELETE FROM drafts WHERE user_id = 1;
--- replace-function fires-triggers=unknown update
CREATE OR REPLACE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN DELETE FROM users; RETURN NEW; END$$;
UPDATE tags SET label = 'x' WHERE id = 1;
