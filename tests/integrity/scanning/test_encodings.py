"""Databases whose texts are not UTF-8: they are looked at like others, and what nobody can read is told legibly."""

from __future__ import annotations

from integrity.checks.base import Found, Severity
from integrity.checks.known import CHECKS
from integrity.rules.base import Spec
from tests.integrity.conftest import Ground, on_server
from tests.support.servers import PostgresServer

LATIN, UTF8 = r"caf\xe9", "caf\u00e9"


def of_rows(name: str, violates: str) -> Spec:
    spec = {"table": "places", "violates": violates, "holds": "", "show": ["name"]}
    return Spec(name=name, kind="row", spec=spec, severity=Severity.CRITICAL, category="Business Rules")


def looked_at(ground: Ground, *rules: Spec) -> list[Found]:
    checks = [check for check in CHECKS if ground.vendor in check.engines]
    return [each for each in ground.look(*checks, rules=rules) if isinstance(each, Found)]


def test_bytes_that_are_no_utf8_spoil_no_scan_of_a_database_in_sql_ascii(postgres: PostgresServer):
    name = postgres.fresh_name("ascii")
    postgres.run(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    ground = on_server(postgres, name)
    ground.change(rf"""
        CREATE TABLE places (id integer PRIMARY KEY, name text, about json);
        INSERT INTO places VALUES (1, E'{LATIN}'), (2, E'caf\xc3\xa9'), (3, repeat(E'\xe9', 2000));
        INSERT INTO places SELECT n, 'n' || n FROM generate_series(4, 99) n; INSERT INTO places VALUES (100, NULL);
        DO $$ BEGIN EXECUTE format('CREATE TABLE %I (id integer PRIMARY KEY, %I text)', E't\xe9', E'c\xe9'); END $$
    """)
    by_name = of_rows("of-people", f"t.name = '{UTF8}' OR t.id IN (1, 3)")
    rows = {"query": f"SELECT id, name FROM places WHERE name = '{UTF8}' OR id = 1", "gives": "rows", "says": "x"}
    custom = Spec(name="rows", kind="sql", spec=rows, severity=Severity.INFO, category="Business Rules")
    found = {each.check: each for each in looked_at(ground, by_name, custom) if not each.failed}
    sample = found["rule:of-people"].sample
    assert sample is not None and found["rule:rows"].count == 2
    names = dict(sample.rows)
    assert (names[1], names[2], names[3][:8]) == (LATIN, UTF8, r"\xe9\xe9")
    assert found["unusual_nulls"].count == 1
    unseen = [each for each in looked_at(ground, by_name) if each.failed and each.severity != Severity.INFO]
    assert all(r"t\xe9" in f"{each.subject} {each.sentence}" for each in unseen), unseen
    postgres.drop_database(name)


def test_a_file_in_utf16_is_looked_at_like_another(on_sqlite: Ground):
    on_sqlite.change(f"""
        PRAGMA encoding = 'UTF-16le';
        CREATE TABLE places (id INTEGER PRIMARY KEY, name TEXT, email TEXT UNIQUE);
        CREATE TABLE visits (id INTEGER PRIMARY KEY, place TEXT REFERENCES places (email), note TEXT);
        CREATE INDEX by_note ON visits (note);
        INSERT INTO places VALUES (1, '{UTF8}', 'a'), (2, CAST(x'00d86100' AS TEXT), 'A'), (3, 'x', '\u20ac');
        INSERT INTO visits VALUES (1, '\u20ac', '{UTF8}'), (2, '\u0161', NULL);
    """)
    found = {each.check: each for each in looked_at(on_sqlite, of_rows("of-people", f"t.name = '{UTF8}' OR t.id = 2"))}
    assert not [each for each in found.values() if each.failed]
    sample = found["rule:of-people"].sample
    assert sample is not None and (sample.rows[0], sample.rows[1][0]) == ((1, UTF8), 2)
    assert (found["orphans"].count, "sqlite_pages" in found) == (1, False)
