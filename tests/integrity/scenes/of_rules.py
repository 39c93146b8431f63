"""Scenes of rules, one for each kind that people can ask for."""

from __future__ import annotations

from tests.integrity.rules.spelling import rule
from tests.integrity.scenes.base import BOTH, Scene

BEFORE = {"#.kept": 3}  # rows by table in the last report


def of_rules(vendor: str) -> tuple[Scene, ...]:
    """The scenes on one engine, by which rules are spelled."""

    def scene(kind: str, subject: str, laid_out: str, fault: str, near: str, **spec: object) -> Scene:
        return Scene(
            what=rule(kind, on=vendor, **spec), on=(vendor,), subject=subject,
            fault=f"{laid_out};{fault}", near=f"{laid_out};{near}",
        )  # fmt: skip

    assert vendor in BOTH
    return (
        scene(
            "orphan", "#.wheels.car",
            "CREATE TABLE cars (no integer); CREATE TABLE wheels (id integer PRIMARY KEY, car integer);"
            "INSERT INTO cars VALUES (1), (1)",
            "INSERT INTO wheels VALUES (1, 1), (2, 9)", "INSERT INTO wheels VALUES (1, 1), (2, NULL)",
            child="wheels", column="car", parent="cars", key="no",
        ),
        scene(
            "row", "#.purses", "CREATE TABLE purses (id integer PRIMARY KEY, held integer)",
            "INSERT INTO purses VALUES (1, -1)", "INSERT INTO purses VALUES (1, 0), (2, NULL)",
            table="purses", violates="t.held < 0",
        ),
        scene(
            "aggregate", "#.sums.total",
            "CREATE TABLE sums (id integer PRIMARY KEY, total numeric);"
            "CREATE TABLE terms (id integer PRIMARY KEY, sum_id integer, n numeric);"
            "INSERT INTO terms VALUES (1, 1, 2), (2, 1, 3), (3, NULL, 4), (4, 1, NULL)",
            "INSERT INTO sums VALUES (1, 6.5)", "INSERT INTO sums VALUES (1, 6), (2, 0)",
            table="sums", column="total", of="terms", by="sum_id", aggregate="sum(s.n)", tolerance="1",
        ),
        scene(
            "unique", "#.badges.code", "CREATE TABLE badges (id integer PRIMARY KEY, code text)",
            "INSERT INTO badges VALUES (1, 'a'), (2, 'a')",
            "INSERT INTO badges VALUES (1, 'a'), (2, 'A'), (3, NULL), (4, NULL)",
            table="badges", columns="code",
        ),
        scene(
            "expired", "#.passes.until", "CREATE TABLE passes (id integer PRIMARY KEY, until text)",
            "INSERT INTO passes VALUES (1, '2020-02-29')",
            "INSERT INTO passes VALUES (1, '2999-02-28'), (2, '2020-02-30'), (3, NULL)",
            table="passes", column="until",
        ),
        scene(
            "count", "#.kept", "CREATE TABLE kept (id integer PRIMARY KEY)",
            "INSERT INTO kept VALUES (1), (2)", "INSERT INTO kept VALUES (1), (2), (3)",
            table="kept",
        ),
        scene(
            "sql", "sql-rule", "CREATE TABLE asked (id integer PRIMARY KEY, n integer)",
            "INSERT INTO asked VALUES (1, 6)", "INSERT INTO asked VALUES (1, 5), (2, NULL)",
            query="SELECT id FROM asked WHERE n > 5", says="n is at most 5",
        ),
        scene(
            "shape", "column shaped.name", "SELECT 1",
            "CREATE TABLE shaped (id integer PRIMARY KEY, names text)",
            "CREATE TABLE shaped (id integer PRIMARY KEY, name text, more text)",
            tables=[{"name": "shaped", "columns": ["id", "name"]}],
        ),
        scene(
            "reference", "lookup: admin", "CREATE TABLE lookup (name text PRIMARY KEY)",
            "INSERT INTO lookup VALUES ('Admin')", "INSERT INTO lookup VALUES ('admin'), ('other')",
            table="lookup", key="name", rows=["admin"],
        ),
    )  # fmt: skip
