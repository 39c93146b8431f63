"""Scenes of checks that look at rows and at the vendor's own word for them."""

from __future__ import annotations

from integrity.checks.amcheck import PostgresPages
from integrity.checks.d1 import D1Rows
from integrity.checks.dangling import DanglingReferences
from integrity.checks.duplicates import RefusedDuplicates
from integrity.checks.gaps import UnusualNulls
from integrity.checks.inferred import InferredOrphans
from integrity.checks.likely_keys import LikelyDuplicates
from integrity.checks.orphans import Orphans
from integrity.checks.pages import ForeignKeyCheck, SqlitePages
from tests.integrity.scenes.base import NUMBERS, POSTGRESQL, SQLITE, Scene

_ORDERED = """
    CREATE TABLE counted (n integer); INSERT INTO counted SELECT generate_series(1, 50);
    CREATE FUNCTION rising(integer, integer) RETURNS integer LANGUAGE sql IMMUTABLE AS
        'SELECT CASE WHEN $1 = $2 THEN 0 WHEN $1 > $2 THEN 1 ELSE -1 END';
    CREATE OPERATOR CLASS fickle FOR TYPE integer USING btree AS OPERATOR 1 < , OPERATOR 2 <= , OPERATOR 3 = ,
        OPERATOR 4 >= , OPERATOR 5 > , FUNCTION 1 rising(integer, integer);
    CREATE INDEX by_number ON counted USING btree (n fickle); CREATE EXTENSION amcheck;
"""
_CODES = (
    "CREATE TABLE coupons (id integer PRIMARY KEY, code text); CREATE INDEX once ON coupons (lower(code));"
    "UPDATE pg_index SET indisunique = true, indisvalid = false, indisready = false"
    " WHERE indexrelid = 'once'::regclass;"
)
_BOOKS = "CREATE TABLE books (id integer PRIMARY KEY, title text, shelf text); CREATE INDEX by_title ON books (title);"
_FAMILY = (
    "CREATE TABLE parents (id integer PRIMARY KEY); CREATE TABLE children (id integer PRIMARY KEY, "
    "parent integer REFERENCES parents); CREATE INDEX of_parent ON children (parent); INSERT INTO parents VALUES (1);"
)
_BOATS = (
    "CREATE TABLE boats (id integer PRIMARY KEY); CREATE TABLE trips (id integer PRIMARY KEY, boat_id integer);"
    "INSERT INTO boats VALUES (1);"
)
_PATRONS = "CREATE TABLE patrons (id integer PRIMARY KEY, name text);" + NUMBERS.format(60)

OF_ROWS = (
    *(
        Scene(
            what=Orphans(),
            on=(vendor,),
            subject="#.children.parent -> #.parents.id",
            fault=f"{off}{_FAMILY}INSERT INTO children VALUES (1, 1), (2, 9)",
            near=f"{off}{_FAMILY}INSERT INTO children VALUES (1, 1), (2, NULL)",
        )
        for vendor, off in ((POSTGRESQL, "SET session_replication_role = replica;"), (SQLITE, ""))
    ),
    Scene(
        what=InferredOrphans(),
        subject="#.trips.boat_id -> #.boats.id",
        fault=f"{_BOATS}INSERT INTO trips VALUES (1, 1), (2, 9)",
        near=f"{_BOATS}INSERT INTO trips VALUES (1, 1), (2, NULL)",
    ),
    Scene(
        what=DanglingReferences(),
        on=(SQLITE,),
        subject="loose.a -> named.*",
        fault="CREATE TABLE named (name TEXT PRIMARY KEY); CREATE TABLE loose (a REFERENCES named (title))",
        near="CREATE TABLE named (name TEXT PRIMARY KEY); CREATE TABLE loose (a REFERENCES NAMED (Name))",
        sound="loose.a -> NAMED.Name",
    ),
    Scene(what=ForeignKeyCheck(), on=(SQLITE,), subject="PRAGMA foreign_key_check"),  # the children above
    Scene(
        what=RefusedDuplicates(),
        on=(POSTGRESQL,),
        subject="#.coupons: once",
        fault=f"{_CODES}INSERT INTO coupons VALUES (1, 'A'), (2, 'a')",
        near=f"{_CODES}INSERT INTO coupons VALUES (1, 'A'), (2, 'b'), (3, NULL), (4, NULL)",
    ),
    Scene(
        what=LikelyDuplicates(),
        subject="#.members.email",
        fault="CREATE TABLE members (id integer PRIMARY KEY, email text);"
        "INSERT INTO members VALUES (1, 'Ada@example.com'), (2, 'ada@example.com'), (3, NULL)",
        near="CREATE TABLE members (id integer PRIMARY KEY, email text);"
        "INSERT INTO members VALUES (1, 'ada@example.com'), (2, 'adb@example.com'), (3, NULL), (4, NULL)",
    ),
    Scene(
        what=UnusualNulls(),
        subject="#.patrons.name",
        fault=f"{_PATRONS} INSERT INTO patrons SELECT i, CASE WHEN i > 1 THEN 'n' END FROM n",
        near=f"{_PATRONS} INSERT INTO patrons SELECT i, CASE WHEN i > 2 THEN 'n' END FROM n",
    ),
    Scene(
        what=SqlitePages(),
        on=(SQLITE,),
        subject="index by_title",
        fault=f"{_BOOKS}INSERT INTO books VALUES (1, 'a', 'b'); PRAGMA writable_schema = ON; UPDATE sqlite_schema"
        " SET sql = replace(sql, '(title)', '(shelf)') WHERE name = 'by_title'",
        near=f"{_BOOKS}INSERT INTO books VALUES (1, 'a', 'b'), (2, 'a', NULL), (3, NULL, NULL)",
    ),
    Scene(
        what=PostgresPages(),
        on=(POSTGRESQL,),
        subject="index #.by_number",
        fault=f"{_ORDERED}CREATE OR REPLACE FUNCTION rising(integer, integer) RETURNS integer LANGUAGE sql IMMUTABLE AS"
        " 'SELECT CASE WHEN $1 = $2 THEN 0 WHEN $1 < $2 THEN 1 ELSE -1 END'",
        near=_ORDERED,
    ),
    Scene(
        what=D1Rows(most=2000),
        on=(SQLITE,),
        d1=True,
        subject="blobs",
        fault="CREATE TABLE blobs (id INTEGER PRIMARY KEY, a, b); INSERT INTO blobs VALUES (1, zeroblob(1999), 'ü')",
        near="CREATE TABLE blobs (id INTEGER PRIMARY KEY, a, b); INSERT INTO blobs VALUES (1, zeroblob(1998), 'ü')",
    ),
)  # fmt: skip
