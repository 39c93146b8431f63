--- benign
SELECT f.title, count(*) OVER (PARTITION BY f.kind) FROM films f WHERE f.did IN (1, 2) ORDER BY 1 LIMIT 3 FOR UPDATE;
--- benign
SELECT m.name AS mname, pname FROM manufacturers m LEFT JOIN LATERAL (SELECT lower(x) FROM y) AS g(pname) ON true;
--- benign
SELECT * FROM json_to_recordset('[]') AS x(a int, b text);
--- benign
WITH t(a, b) AS MATERIALIZED (SELECT 1, 2) SELECT coalesce(a, b) FROM t;
--- benign
VALUES (1, 'one'), (2, 'two');
--- benign
TABLE films;
--- function-call
SELECT drop_chunks('conditions', INTERVAL '24 hours');
--- function-call
SELECT pg_terminate_backend(pid) FROM pg_stat_activity;
--- function-call
SELECT public.lower('A');
--- benign
SELECT pg_catalog.lower('A');
--- function-call
SELECT "Lower"('A');
--- function-call
SELECT pg_advisory_lock(1);
--- function-call function-call
SELECT create_hypertable('a', 'b'), add_retention_policy('a', INTERVAL '1 day');
--- function-call
SELECT pg_read_file('/etc/passwd');
--- function-call
SELECT query_to_xml('delete from a', true, true, '');
--- function-call
SELECT dblink_exec('x', 'drop table a');
--- function-call
SELECT pg_sleep(10);
--- restart-sequence
SELECT setval('users_id_seq', (SELECT max(id) FROM users));
--- restart-sequence
SELECT pg_catalog.setval('public.users_id_seq', 12, true);
--- search-path
SELECT pg_catalog.set_config('search_path', '', false);
--- session-replication-role
SELECT set_config('session_replication_role', 'replica', false);
--- setting
SELECT set_config('sess' || 'ion_replication_role', 'replica', false);
--- benign
SELECT * INTO films_recent FROM films;
--- benign
INSERT INTO films VALUES ('UA502', 'Bananas', 105, '1971-07-13', 'Comedy', '82 minutes');
--- benign
INSERT INTO films (code, title) VALUES ('B6717', 'Tampopo'), ('HG120', E'The Dinner\'s Game; DROP TABLE films');
--- benign
INSERT INTO films DEFAULT VALUES;
--- benign
INSERT INTO films SELECT * FROM tmp_films WHERE date_prod < '2004-05-07';
--- benign
INSERT INTO distributors AS d (did, dname) VALUES (8, 'Anvil') ON CONFLICT (did) DO NOTHING;
--- upsert
INSERT INTO distributors AS d (did, dname) VALUES (8, 'Anvil') ON CONFLICT (did) DO UPDATE SET dname = EXCLUDED.dname WHERE d.zipcode <> '21201';
--- function-call
INSERT INTO audit (what) VALUES (purge_everything());
--- cte-delete
INSERT INTO log WITH gone AS (DELETE FROM a WHERE id = 1 RETURNING *) SELECT * FROM gone;
--- grant
GRANT INSERT ON films TO PUBLIC;
--- grant
GRANT admins TO joe;
--- grant
REASSIGN OWNED BY a TO b;
--- revoke
REVOKE INSERT ON films FROM PUBLIC;
--- revoke
REVOKE EXECUTE ON FUNCTION admin_set(int) FROM PUBLIC;
--- set-role
SET ROLE 'paul';
--- set-role
SET SESSION AUTHORIZATION 'paul';
--- set-role
SET LOCAL role TO paul;
--- set-role
RESET ROLE;
--- session-replication-role
SET session_replication_role = replica;
--- session-replication-role
set local "session_replication_role" to 'replica';
--- benign
SET lock_timeout = '3s'; SET LOCAL statement_timeout TO 0; SET client_encoding = 'UTF8'; SET standard_conforming_strings = on;
--- setting
SET standard_conforming_strings = off;
--- setting
SET zero_damaged_pages = on;
--- setting
SET fsync TO off;
--- search-path
SET search_path TO my_schema, public;
--- benign
SET TIME ZONE 'UTC'; SET CONSTRAINTS ALL DEFERRED; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; RESET lock_timeout; SHOW search_path;
--- transaction-control transaction-control
BEGIN; SELECT 1; COMMIT;
--- transaction-control transaction-control transaction-control
START TRANSACTION; SAVEPOINT a; ROLLBACK TO SAVEPOINT a;
--- benign
COMMENT ON TABLE my_table IS 'This is my table; DROP TABLE it';
--- lock-table
LOCK TABLE films IN ACCESS EXCLUSIVE MODE;
--- lock-table lock-table
LOCK films, ONLY_distributors IN SHARE MODE NOWAIT;
--- benign
ANALYZE films (code);
--- benign
VACUUM (VERBOSE, ANALYZE) onek;
--- vacuum-full
VACUUM FULL onek;
--- vacuum-full
VACUUM (FULL, ANALYZE);
--- cluster
CLUSTER employees USING employees_ind;
--- reindex
REINDEX INDEX my_index;
--- reindex
REINDEX (VERBOSE) TABLE my_table;
--- benign
REINDEX TABLE CONCURRENTLY my_broken_table;
--- refresh-materialized-view
REFRESH MATERIALIZED VIEW order_summary;
--- benign
REFRESH MATERIALIZED VIEW CONCURRENTLY order_summary;
--- copy-data
COPY weather (city, temp) FROM STDIN;
San Francisco	46
\.
--- copy-data
COPY weather FROM stdin
--- copy-file
COPY country FROM '/usr1/proj/bray/sql/country_data';
--- copy-file
COPY (SELECT * FROM country WHERE name LIKE 'A%') TO '/usr1/a_list';
--- unrecognised=destructive
COPY (DELETE FROM a RETURNING *) TO STDOUT;
--- call
CALL do_db_maintenance();
--- execute
PREPARE usrrptplan (int) AS SELECT * FROM users u WHERE u.usrid = $1;
--- execute
EXECUTE usrrptplan(1, current_date);
--- load-extension
LOAD '$libdir/plugins/x';
--- unrecognised
NOTIFY virtual, 'This is the payload';
--- unrecognised
SECURITY LABEL FOR selinux ON TABLE mytable IS 'x';
--- unrecognised
IMPORT FOREIGN SCHEMA foreign_films FROM SERVER film_server INTO films;
--- unrecognised
CHECKPOINT;
--- unrecognised
DECLARE liahona CURSOR FOR SELECT * FROM films;
--- unrecognised drop-other
FROBNICATE ALL; -- nothing
DROP;
--- meta-command
\connect other
--- meta-command
\i other.sql
SELECT 1;
--- meta-command
SELECT 1 \gexec
--- unterminated
SELECT 'abc;
--- unterminated
SELECT 1; /* and what follows
--- unterminated
SELECT $a$ never $b$;
--- unterminated
INSERT INTO a VALUES ((1);
--- unterminated
SELECT FROM WHERE (;
--- unrecognised
SELECT FROM WHERE;
--- unrecognised
--> no comment at all
SELECT 1 +;
