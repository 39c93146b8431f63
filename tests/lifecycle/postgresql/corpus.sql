-- A schema of awkward things, each of which a careless copy loses. Compared with what pg_dump brings back.

CREATE TYPE mood AS ENUM ('sad', 'so so', 'it''s "fine"');
CREATE TYPE "Address" AS (street text, "House No" int, mood mood);
CREATE DOMAIN email AS text CHECK (VALUE ~ '@') NOT NULL;
CREATE DOMAIN tags AS text[] DEFAULT '{}';
CREATE TYPE span AS RANGE (subtype = numeric);
CREATE COLLATION plain (locale = 'C');
CREATE SEQUENCE odd_numbers START 101 INCREMENT 2 MINVALUE 1 MAXVALUE 9999 CYCLE CACHE 5;
SELECT nextval('odd_numbers'), nextval('odd_numbers');
CREATE SEQUENCE untouched AS smallint;

CREATE SCHEMA "Mixed Case";
CREATE TABLE "Mixed Case"."Order" (
    "Id" bigint GENERATED ALWAYS AS IDENTITY (START WITH 1000 INCREMENT BY 10) PRIMARY KEY,
    "select" int DEFAULT 7, "with ""quotes""" text, net numeric(12, 2), gross numeric GENERATED ALWAYS AS (net * 1.19) STORED
);
INSERT INTO "Mixed Case"."Order" ("select", "with ""quotes""", net)
    SELECT n, E'tab\t, new\nline, back\\slash, \\N, ' || chr(8364), n / 3.0 FROM generate_series(1, 500) n;
CREATE TABLE "Mixed Case"."a.b" (x int);
INSERT INTO "Mixed Case"."a.b" VALUES (1);

CREATE TABLE kinds (
    id serial PRIMARY KEY, m mood, ms mood[], address "Address", addresses "Address"[], mail email, labels tags, s span,
    j json, jb jsonb, x xml, b bytea, u uuid, t timestamptz, d date, i interval, n numeric, f float8, ip inet, mac macaddr,
    bits varbit, tsv tsvector, p point, r int4range, mr datemultirange, c regclass, money money, "char" "char", ch char(5),
    matrix int[][], lsn pg_lsn, collated text COLLATE plain, CONSTRAINT m_or_d CHECK (m IS NOT NULL OR d IS NOT NULL)
);
INSERT INTO kinds (m, ms, address, addresses, mail, labels, s, j, jb, x, b, u, t, d, i, n, f, ip, mac, bits, tsv, p, r, mr, c,
    money, "char", ch, matrix, lsn, collated)
SELECT 'it''s "fine"', '{sad,NULL,so so}', ROW('High, St', n, 'sad'::mood)::"Address", ARRAY[ROW('a b', n, NULL::mood)::"Address"], 'a@example.test',
    ARRAY['x', 'y,z'], span(1.5, n + 2), '{"a" : 1,  "a": 2}', '{"b": [1, 2.50]}', NULL,
    '\x00ff', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'infinity', '-infinity', '1 mon -2 days 03:04:05.678', 'NaN', '-Infinity',
    '10.0.0.0/8', '08:00:2b:01:02:03', B'10110', 'a:1 b:2'::tsvector, '(1.5,-2)', '[1,5)', '{[2020-01-01,2020-02-01)}',
    'pg_class', '12.34', 'z', 'ab', '{{1,2},{3,4}}', '16/B374D848', 'é'
FROM generate_series(1, 20) n;
INSERT INTO kinds (d, mail, f, n) VALUES ('4713-01-01 BC', 'b@example.test', 1e-300, 1e-20);

CREATE TABLE status (
    id int PRIMARY KEY, state varchar(20) CHECK (state IN ('open', 'it''s shut', 'done')), code char(3) DEFAULT 'abc',
    kind text NOT NULL DEFAULT 'x' CHECK (kind = ANY (ARRAY['x', 'y'])), EXCLUDE USING gist (box(point(id, id), point(id, id)) WITH &&)
);
INSERT INTO status VALUES (1, 'open'), (2, 'done');
CREATE INDEX partial ON status (lower(state) DESC NULLS LAST) WHERE state IN ('open', 'done');
CREATE UNIQUE INDEX expression ON status ((state || code)) INCLUDE (kind) WITH (fillfactor = 70);
CREATE STATISTICS together (dependencies) ON state, code FROM status;

CREATE TABLE logs (id bigint NOT NULL, day date NOT NULL, line text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE logs_2024 PARTITION OF logs FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE logs_2025 PARTITION OF logs FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY HASH (id);
CREATE TABLE logs_2025_0 PARTITION OF logs_2025 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE logs_2025_1 PARTITION OF logs_2025 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE logs_rest PARTITION OF logs DEFAULT;
CREATE INDEX ON logs (line);
INSERT INTO logs SELECT n, date '2023-06-01' + n, 'line ' || n FROM generate_series(1, 1500) n;

CREATE TABLE parent (a int, b text);
CREATE TABLE child (c int) INHERITS (parent);
INSERT INTO parent VALUES (1, 'parent');
INSERT INTO child VALUES (2, 'child', 3);

CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree DEFERRABLE INITIALLY DEFERRED);
INSERT INTO tree SELECT n, nullif(n / 2, 0) FROM generate_series(1, 100) n;
CREATE TABLE a_to_b (id int PRIMARY KEY, b int);
CREATE TABLE b_to_a (id int PRIMARY KEY, a int REFERENCES a_to_b);
ALTER TABLE a_to_b ADD FOREIGN KEY (b) REFERENCES b_to_a NOT VALID;

CREATE TABLE dropped (a int, gone text, b int);
ALTER TABLE dropped DROP COLUMN gone, ADD COLUMN later text DEFAULT 'late';
INSERT INTO dropped VALUES (1, 2);
CREATE TABLE empty (id int);
CREATE UNLOGGED TABLE fleeting (a int);
INSERT INTO fleeting VALUES (1);
CREATE TABLE wide (id int PRIMARY KEY, t text);
ALTER TABLE wide ALTER t SET STORAGE EXTERNAL;
INSERT INTO wide SELECT n, repeat(md5(n::text), 3000) FROM generate_series(1, 5) n;

CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    -- a line that looks like pg_dump's own:
--
-- Name: x; Type: TABLE; Schema: public; Owner: y
--
    NEW.line := coalesce(NEW.line, $$none$$);
    RETURN NEW;
END $body$;
CREATE TRIGGER touch BEFORE INSERT ON logs FOR EACH ROW EXECUTE FUNCTION touch();
CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'a trigger fired while loading'; END$$;
CREATE TRIGGER never BEFORE INSERT ON tree FOR EACH ROW EXECUTE FUNCTION fails();
CREATE TRIGGER sleeping AFTER UPDATE ON wide FOR EACH STATEMENT EXECUTE FUNCTION fails();
ALTER TABLE wide DISABLE TRIGGER sleeping;
CREATE FUNCTION double(int) RETURNS int LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT $1 * 2; END;
CREATE AGGREGATE product(int) (SFUNC = int4mul, STYPE = int, INITCOND = '1');
CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq);
CREATE PROCEDURE nothing() LANGUAGE sql AS 'SELECT 1';
CREATE TABLE uses_function (a int, doubled int GENERATED ALWAYS AS (double(a)) STORED);
INSERT INTO uses_function VALUES (21);

CREATE VIEW joined AS SELECT s.*, k.m FROM status s LEFT JOIN kinds k ON k.id = s.id WHERE s.state IN ('open', 'done');
CREATE VIEW checked AS SELECT * FROM status WHERE id < 10 WITH LOCAL CHECK OPTION;
CREATE MATERIALIZED VIEW totals AS SELECT day, count(*) AS n FROM logs GROUP BY day;
CREATE UNIQUE INDEX ON totals (day);
CREATE MATERIALIZED VIEW on_top AS SELECT sum(n) AS n FROM totals;
CREATE MATERIALIZED VIEW not_filled AS SELECT 1 AS a WITH NO DATA;
CREATE RULE ignore AS ON DELETE TO checked DO INSTEAD NOTHING;

CREATE TABLE guarded (id int PRIMARY KEY, owner text);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON guarded FOR SELECT USING (owner = current_user AND id IN (1, 2));
INSERT INTO guarded SELECT n, 'owner ' || n FROM generate_series(1, 50) n;

COMMENT ON TABLE status IS 'it''s "the" state';
COMMENT ON COLUMN status.kind IS E'two\nlines';
COMMENT ON FUNCTION double(int) IS 'doubles';
COMMENT ON CONSTRAINT m_or_d ON kinds IS 'one of both';
GRANT SELECT ON status TO PUBLIC;
CREATE TABLE _opsconsole_undo (id int);
CREATE TABLE _opsconsole_migrations (version bigint PRIMARY KEY, name text NOT NULL);
COMMENT ON TABLE _opsconsole_migrations IS 'it goes with the schema';
INSERT INTO _opsconsole_migrations VALUES (1, '0001_first');
