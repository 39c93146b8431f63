"""Which table and column takes which, without a database."""

from __future__ import annotations

from typing import Any

from lifecycle.documents.base import DocumentTable, Summary
from lifecycle.loading import pairing
from lifecycle.loading.ordering import groups
from opsconsole.engines.structure import Field, ForeignKey, Relation, Structure


def structure(*names: str, keys: tuple[tuple[str, str], ...] = ()) -> Structure:
    relations = (
        Relation(schema=name.rpartition(".")[0], name=name.rpartition(".")[2], fields=(), whole=name) for name in names
    )
    foreign = (ForeignKey(name="", table=a, columns=("x",), parent=b, parent_columns=("id",)) for a, b in keys)
    return Structure(relations={relation.full_name: relation for relation in relations}, foreign_keys=tuple(foreign))


def summary(*names: str, **more: Any) -> Summary:
    tables = tuple(DocumentTable(name=name, columns=(), rows=0) for name in names)
    return Summary(format="test", label="", tables=tables, **more)


def test_tables_pair_by_the_nearest_name_and_each_once() -> None:
    live = structure("app.users", "public.users", "public.dev_tasks", "public.User", "public.api_keys")
    found = pairing.tables(summary("users", "User", "devTasks", "apikeys", "app.users", "ghosts"), live, {})
    assert found == {
        "users": "public.users", "User": "public.User", "devTasks": "public.dev_tasks", "apikeys": "public.api_keys",
        "app.users": "app.users",
    }  # fmt: skip
    assert pairing.tables(summary("people"), live, {"people": "app.users"}) == {"people": "app.users"}


def test_columns_pair_exactly_before_they_pair_alike_and_two_never_share_one() -> None:
    fields = tuple(Field(name=name, type="", family="json") for name in ("user_id", "email", "meta"))
    relation = Relation(schema="", name="t", fields=fields)
    table = DocumentTable(name="t", columns=("userId", "user_id", "Email", "meta"), rows=0, types={"meta": "text"})
    pairs = pairing.columns(table, relation, {}, summary(engine="postgresql"))
    assert [(pair.source, pair.target, pair.is_json) for pair in pairs] == [
        ("user_id", "user_id", True), ("Email", "email", True), ("meta", "meta", False),
    ]  # fmt: skip
    assert not any(pair.is_json for pair in pairing.columns(table, relation, {}, summary(engine="sqlite")))


def test_parents_come_first_and_rings_together() -> None:
    live = structure("a", "b", "c", "d", keys=(("a", "b"), ("b", "c"), ("c", "b"), ("d", "d"), ("d", "a")))
    assert [(group.tables, group.knotted) for group in groups(live, ["a", "b", "c", "d"])] == [
        (("b", "c"), True), (("a",), False), (("d",), True),
    ]  # fmt: skip
    assert [group.tables for group in groups(live, ["c", "a"])] == [("a",), ("c",)]
