-- Values that a careless JSON loses. Every line of pg_dump must be the same before and after.

CREATE TYPE pair AS (a numeric, "b c" text);
CREATE TYPE mood AS ENUM ('glad', 'NULL', 'so "so"');
CREATE DOMAIN price AS numeric CHECK (VALUE <> 7);
CREATE DOMAIN words AS text[];
CREATE TYPE point3 AS (at point, shape pair);

CREATE TABLE numbers ("row" int, row_ int, "odd ""name"" é" numeric, price price, f8 float8, f4 float4, big int8);
INSERT INTO numbers VALUES
    (1, 2, 'NaN', 'NaN', 'NaN', 'NaN', 9223372036854775807), (1, 2, 'Infinity', 1.50, 'Infinity', '-Infinity', -9223372036854775808),
    (1, 2, '-Infinity', 0.000, '-0', '-0', 0), (1, 2, repeat('9', 5000)::numeric, 1e-30, 5e-324, 1e-45, NULL),
    (1, 2, 0.1 + repeat('1', 900)::numeric, -0.10, 0.1::float8 + 0.2, 16777217, 1), (NULL, NULL, NULL, NULL, NULL, NULL, NULL);

CREATE TABLE texts ("$bytes" text, t text, v varchar(5), c char(5), n name, "amount" text);
INSERT INTO texts VALUES
    ('$', E'a\tb\nc\rd\\e\u0001\u001f\u007f', 'ab   ', 'ab', 'NaN', '"amount":"NaN"'), ('', 'NULL', '', '', '', 'NaN'), (E'\\N', E'\\.', NULL, NULL, NULL, '{"$json": 1}'),
    (chr(8232) || chr(65534) || chr(128512), '{"$bytes":"AA=="}', '"', '\', '\N', E'\b\f');

CREATE TABLE bytes (b bytea);
INSERT INTO bytes VALUES (''), (NULL), ('\x00ff0a5c'), (decode(repeat('ab', 1000), 'hex'));

CREATE TABLE documents (j json, jb jsonb, js json[], jbs jsonb[]);
INSERT INTO documents VALUES
    (E'{"a" : 1,\n  "a": 1.0e5}', 'null', ARRAY[' [1,  2]'::json, NULL, 'null'], ARRAY['null'::jsonb, NULL, '{"$bytes": "AA=="}']),
    ('null', '{"$bytes": "AA=="}', '{}', '{}'), ('"text"', '"text"', NULL, NULL), (' 1', '{"$json": {"$json": null}, "b": 1.50}', NULL, NULL),
    (NULL, NULL, NULL, NULL), ('[1]', '{"$json": null}', NULL, NULL), ('{}', '[1e300, -0.0, 123456789012345678901234567890.10, "\u2028", {"deep": [[]]}]', NULL, NULL),
    ('true', 'false', NULL, NULL), ('{"$float":"NaN"}', '{"$float": "NaN"}', NULL, NULL);

CREATE TABLE arrays (i int[], t text[], n numeric[], f float8[], b bool[], by bytea[], m mood[], p pair[], r int4range[], w words, ts timestamptz[], v int2vector);
INSERT INTO arrays VALUES
    ('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', ''),
    ('[0:1]={1,2}', '{"NULL",NULL,"a\"b\\c","{}",""," x ",NaN}', '{NaN,Infinity,1.50,NULL}', '{-0,NaN,-Infinity,0.1}', '{t,f,NULL}', ARRAY['\x00'::bytea, '', NULL],
     '{"so \"so\"","NULL",NULL}', ARRAY[ROW(1.50, NULL)::pair, NULL, ROW('NaN', '"')::pair], ARRAY['empty'::int4range, '[1,5)'], '{a,b}', '{infinity,2026-01-05 12:00:00.123456+00}', '1 2 3'),
    ('{{1,2},{3,NULL}}', '[2:3][-1:-1]={{a},{b}}', '{{1}}', '{{{1}}}', '{{t},{f}}', NULL, NULL, NULL, NULL, '{{a},{b}}', NULL, NULL),
    (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

CREATE TABLE times (tz timestamptz, ts timestamp, d date, t time, ttz timetz, i interval);
INSERT INTO times VALUES
    ('2026-01-05 12:00:00.000001+05:30', '2026-01-05 12:00:00.999999', '2026-01-05', '23:59:59.999999', '24:00:00-15:59', '-1 year 2 mons -3 days 04:05:06.000007'),
    ('0044-03-15 12:00:00+00 BC', '4713-01-01 00:00:00 BC', '4714-11-24 BC', '00:00', '00:00+00', '178000000 years'), ('294276-12-31 23:59:59.999999+00', '294276-12-31', '5874897-12-31', NULL, NULL, '00:00:00'),
    ('infinity', '-infinity', 'infinity', NULL, NULL, NULL), ('1900-01-01 00:00:00+00:19:32', '0001-01-01 00:00:00', '-infinity', NULL, NULL, '-00:00:00.000001');

CREATE TABLE composites (p pair, n point3, r numrange, mr int8multirange, b bit(3), vb varbit, x txid_snapshot, bx box, m money, tsv tsvector);
INSERT INTO composites VALUES
    (ROW(NULL, NULL), ROW('(1e-300,-0)', ROW('NaN', E'a\n"b"')), '[1.50,)', '{[1,2),[5,9)}', B'101', B'', '10:20:10,14', '(1,1),(0,0)', '-12.34', '''a b'':1A'),
    (NULL, NULL, 'empty', '{}', NULL, NULL, NULL, NULL, NULL, ''), (ROW(1.50, ''), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE only_null (a int, b int);
INSERT INTO only_null VALUES (NULL, NULL), (NULL, NULL);
