from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from django.conf import settings

from opsconsole import audit
from opsconsole.audit import catalogue
from opsconsole.audit.sentences import sentence
from opsconsole.models import AuditEvent, Database, Environment, OwnerGroup
from opsconsole.transitions import EVENTS
from tests.support.console import Console
from tests.support.people import Cast
from tests.support.rows import operation_of

TOLD = {"who": "Grace", "what": "restore of savings (production)", "database": "savings", "object": "x", "reason": "r"}


@dataclass(frozen=True)
class Recorded:
    """An event as the code records it: where, its type, the fields of its data that are written out, if it moves."""

    where: str
    type: str
    fields: frozenset[str]
    moves: bool


@cache
def recorded() -> tuple[Recorded, ...]:
    apps = (settings.BASE_DIR / app for app in ("opsconsole", "lifecycle", "integrity"))
    return tuple(found for app in apps for path in sorted(app.rglob("*.py")) for found in _recorded_in(path))


def _recorded_in(path: Path) -> Iterator[Recorded]:
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    for function in functions:
        values = {target.id: node.value for node in ast.walk(function) for target in _targets(node)}
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            name = ast.unparse(call.func).rpartition(".")[2]
            given = {word.arg: word.value for word in call.keywords}
            told = {"record": call.args[:1], "_record": call.args[:1]}.get(name, [])
            moved = [given["event"]] if name in ("move", "_queue") and "event" in given else []
            for text in (text for node in (*told, *moved) for text in _texts(values.get(_name(node), node))):
                fields = _fields(values.get(_name(given.get("data")), given.get("data")))
                yield Recorded(f"{path.name}:{call.lineno}", text, fields, bool(moved))


def _targets(node: ast.AST) -> Iterator[ast.Name]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    yield from (target for target in targets if isinstance(target, ast.Name))


def _name(node: ast.expr | None) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _texts(node: ast.expr | None) -> Iterator[str]:
    for part in ast.walk(node) if node is not None else ():
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and "." in part.value.strip("."):
            yield part.value


def _fields(node: ast.expr | None) -> frozenset[str]:
    keys = node.keys if isinstance(node, ast.Dict) else []
    return frozenset(str(key.value) for key in keys if isinstance(key, ast.Constant))


def test_every_event_that_the_code_records_is_in_the_catalogue() -> None:
    assert len(recorded()) > 50
    assert [f"{event.where} records {event.type}" for event in recorded() if catalogue.find(event.type) is None] == []


def test_every_field_that_the_code_records_is_allowed() -> None:
    left_out = {
        f"{event.where} {event.type}": sorted(event.fields - entry.fields)
        for event in recorded()
        if (entry := catalogue.find(event.type)) and event.fields - entry.fields
    }
    assert left_out == {}


def test_every_event_of_a_move_is_marked_as_one() -> None:
    moved = {event.type for event in recorded() if event.moves} | set(EVENTS.values())
    assert [name for name in sorted(moved) if not (entry := catalogue.find(name)) or not entry.moves] == []


@pytest.mark.parametrize("entry", catalogue.every(), ids=lambda entry: entry.name)
def test_every_sentence_can_be_filled(entry: catalogue.EventType) -> None:
    for template in (entry.sentence, *entry.variants.values()):
        assert template.format(**TOLD)
        assert "{" in template or entry.name.startswith(("console.", "bootstrap.", "auth.token_refused"))
        assert not template.endswith(".")


def test_a_sentence_says_who_what_and_where(cast: Cast) -> None:
    database = Database.objects.create(
        name="savings", engine="sqlite", display="x", environment=Environment.objects.get(name="production"),
        owner_group=OwnerGroup.objects.get(name="default"),
    )  # fmt: skip
    operation = operation_of(cast.ada, database=database)
    with audit.acting_as(audit.actor_for(cast.grace)):
        event = audit.record("op.voted", operation=operation, data={"decision": "approve"})
    assert audit.describe(event) == "Grace approved the restore of savings (production)"


def test_a_change_is_named_by_its_summary(cast: Cast) -> None:
    with audit.acting_as(audit.actor_for(cast.ada)):
        event = audit.record("op.planned", operation=operation_of(cast.ada, kind="change"))
    assert audit.describe(event) == "Ada planned the change of the console “The console has a new policy.”"


def test_workers_and_shells_are_named_as_such(console: Console) -> None:
    assert audit.describe(audit.record("audit.exported")).endswith("(on the server) exported the audit history")
    with audit.acting_as(audit.Actor(kind="worker", name="w1")):
        assert audit.describe(audit.record("audit.exported")).startswith("The worker w1 exported")


def test_unreadable_and_unknown_events_still_have_a_sentence(console: Console) -> None:
    assert sentence({}) == "Somebody recorded something unreadable"
    assert audit.describe(AuditEvent(payload=b"\xff")) == "Somebody recorded something unreadable"
    assert audit.describe(audit.record("weather.changed")).endswith("recorded weather.changed")


def test_braces_in_names_are_only_letters(console: Console) -> None:
    event = audit.record("auth.login_failed", subject="{who} {0} {payload.type}")
    assert audit.describe(event) == "A login as {who} {0} {payload.type} failed"
