"""What is expected to be there, and what is missing, differs, or is nearly the same."""

from __future__ import annotations

from typing import Any

import pytest

from integrity.checks.base import Held, Severity
from integrity.rules.base import Spec, rule_kind
from integrity.rules.kinds.shape import taken_from
from integrity.rules.types import same_type
from opsconsole.engines.structure import Field
from opsconsole.exceptions import Usage
from tests.integrity.conftest import Ground

SHOP = """
CREATE TABLE orders (id integer PRIMARY KEY, code varchar(20), paid_at timestamp, total numeric(10, 2));
CREATE INDEX orders_by_code ON orders (code, id);
CREATE UNIQUE INDEX orders_once ON orders (code, total);
CREATE INDEX orders_unpaid ON orders (total) WHERE paid_at IS NULL;
CREATE TABLE roles (id integer PRIMARY KEY, name text NOT NULL, level integer NOT NULL);
INSERT INTO roles VALUES (1, 'admin', 1), (2, 'user', 2), (3, 'Guest', 3);
"""


def rule(kind: str, **spec: Any) -> Spec:
    known = rule_kind(kind)
    assert known is not None
    return Spec(name="it", kind=kind, spec=known.checked(spec), severity=Severity.CRITICAL, category="Schema")


def test_what_is_missing_of_a_shape_is_found_and_what_is_there_held(ground: Ground):
    ground.change(SHOP)
    expected = rule(
        "shape",
        tables=[
            "invoices",
            {
                "name": "orders",
                "severity": "info",
                "columns": ["id", "sum", {"name": "total", "type": "text", "severity": "warning"}],
            },
            {"name": "roles", "columns": [{"name": "name", "type": "text"}, {"name": "level", "type": "integer"}]},
        ],
        indexes=[
            "orders_by_code",
            "orders_by_day",
            {"table": "orders", "columns": ["code"]},
            {"table": "orders", "columns": ["code"], "unique": True, "severity": "warning"},
            {"table": "orders", "columns": ["code", "total"], "unique": True},
            {"table": "orders", "columns": ["total"]},
            {"table": "orders", "columns": ["id"], "unique": True},
        ],
    )
    told = ground.look(rules=[expected])
    found = ground.found(rules=[expected])
    assert {subject: each.severity.value for subject, each in found.items()} == {
        "table invoices": "critical",
        "column orders.sum": "info",
        "column orders.total": "warning",
        "index orders_by_day": "critical",
        "index on orders (code)": "warning",  # there is one that is not unique, and a unique one of two columns
        "index on orders (total)": "critical",  # the one that is there leaves rows out
    }
    assert {each.subject for each in told if isinstance(each, Held)} >= {
        "table orders", "column orders.id", "column roles.name", "column roles.level", "index orders_by_code",
        "index on orders (code, total)", "index on orders (id)",
    }  # fmt: skip


def test_a_shape_that_is_taken_from_today_holds_today_and_not_after_a_change(ground: Ground):
    ground.change(SHOP)
    with ground.moment() as moment:
        taken = rule("shape", **taken_from(moment))
    assert ground.found(rules=[taken]) == {}
    assert [each["name"] for each in taken.spec["indexes"]] == ["orders_by_code", "orders_once", "orders_unpaid"]
    ground.change("DROP INDEX orders_once; ALTER TABLE orders RENAME COLUMN total TO sum; DROP TABLE roles")
    full = "public." if ground.vendor == "postgresql" else ""
    assert set(ground.found(rules=[taken])) == {
        "index orders_once",
        "index orders_unpaid",  # it is over another column now
        f"column {full}orders.total",
        f"table {full}roles",
    }


def test_reference_rows_that_are_absent_are_found_each_by_itself(ground: Ground):
    ground.change(SHOP)
    names = rule("reference", table="roles", key="name", rows=["admin", "guest", "owner"], least=4)
    pairs = rule("reference", table="roles", key=["name", "level"], rows=[{"level": 1, "name": "admin"}])
    other = rule("reference", table="roles", key=["level", "name"], rows=[{"level": 2, "name": "admin"}])
    found = ground.found(rules=[names])
    assert set(found) == {"roles: guest", "roles: owner", "rows of roles"}
    assert found["rows of roles"].count == 1
    assert ground.found(rules=[pairs]) == {}
    assert set(ground.found(rules=[other])) == {"roles: 2, admin"}
    gone = rule("reference", table="roles", key="title", rows=["admin"])
    (unfit,) = ground.found(rules=[gone]).values()
    assert unfit.failed and "no column title" in unfit.sentence


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("shape", {}),
        ("shape", {"tables": [{"columns": ["id"]}]}),
        ("shape", {"tables": [{"name": "a", "severity": "bad"}]}),
        ("shape", {"indexes": [{"table": "a"}]}),
        ("reference", {"table": "roles", "key": "name"}),
        ("reference", {"table": "roles", "rows": ["admin"]}),
        ("reference", {"table": "roles", "key": "a, b", "rows": ["admin"]}),
        ("reference", {"table": "roles", "key": "a", "rows": [None]}),
    ],
)
def test_what_makes_no_sense_is_refused(kind: str, spec: dict[str, Any]):
    with pytest.raises(Usage):
        rule(kind, **spec)


def test_what_is_no_list_is_refused_with_what_one_looks_like():
    with pytest.raises(Usage, match="readable as JSON") as refused:
        rule("shape", tables="users, orders")
    assert refused.value.next_step.startswith("Write a list of names, or of")


@pytest.mark.parametrize(
    ("wanted", "there", "same"),
    [
        ("varchar", "character varying(20)", True),
        ("varchar(20)", "character varying(20)", True),
        ("varchar(30)", "character varying(20)", False),
        ("timestamptz", "timestamp(3) with time zone", True),
        ("timestamp", "timestamp with time zone", False),
        ("int[]", "integer[]", True),
        ("int", "integer[]", False),
        ("NUMERIC (10, 2)", "numeric(10,2)", True),
        ("TEXT", "text", True),
    ],
)
def test_types_are_compared_as_people_write_them(wanted: str, there: str, same: bool):
    assert same_type(wanted, Field(name="it", type=there, family="other")) is same
