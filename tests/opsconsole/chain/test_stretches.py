"""Passing over stretches that are plainly well: nothing is passed that a close look would not pass, and most is."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any

import pytest

from opsconsole import audit
from opsconsole.audit import verification
from opsconsole.chain import shapes
from opsconsole.models import AuditEvent
from opsconsole.plans import canonical_json
from opsconsole.verify_audit import columns, is_canonical
from tests.support.console import Console
from tests.support.rows import only_on_sqlite, sql
from tests.support.tampering import guards_off

SIGNS = [
    b'"',
    b"\\",
    b"{",
    b"}",
    b",",
    b":",
    b"0",
    b"1",
    b" ",
    b"\n",
    b"\x00",
    b"\x7f",
    b"a",
    b"\xc3",
    b"\xff",
    b"null",
]


@pytest.fixture
def closely(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """First and last link of every stretch that was looked at closely, one link at a time."""
    monkeypatch.setattr(verification, "CLOSELY", 1)
    seen: list[tuple[int, int]] = []
    real: Callable[..., None] = verification._look_closely

    def look(report: Any, walk: Any, first: int, last: int) -> None:
        seen.append((first, last))
        real(report, walk, first, last)

    monkeypatch.setattr(verification, "_look_closely", look)
    return seen


def write(count: int) -> None:
    """Events as the console writes them: without data, with flat data, with names from everywhere."""
    for number in range(count):
        who = audit.Actor(kind="system", name=("root", "Zoë", "李小龍")[number % 3], host="bench")
        with audit.acting_as(who):
            if number % 2:
                audit.record("auth.login", subject=f"login {number}")
            else:
                audit.record("backup.published", data={"backup": number, "bytes": 0, "manifest": "sha256:a", "rows": 3})
    audit.seal_all()


def test_what_the_console_writes_is_passed_over(console: Console, closely: list[tuple[int, int]]) -> None:
    write(120)
    assert audit.verify().events == 120
    assert closely == [(1, 1)]  # the first event gets a checkpoint at once


def test_a_checkpoint_is_met_and_the_walk_goes_on_in_stretches(
    console: Console, closely: list[tuple[int, int]]
) -> None:
    write(20)
    audit.checkpoint(force=True)
    write(20)
    audit.checkpoint(force=True)
    report = audit.verify()
    assert (report.verdict, report.events, closely) == ("sound", 40, [(1, 1), (20, 20), (40, 40)])


@pytest.mark.parametrize(
    "column, value",
    [("type", "auth.logout"), ("actor", 'system:root","x'), ("outcome", "o"), ("kind", "x"), ("database_name", '"')],
)
def test_one_changed_column_in_a_long_stretch_is_found(console: Console, column: str, value: str) -> None:
    write(40)
    with guards_off():
        AuditEvent.objects.filter(seal__seq=31).update(**{column: value})
    assert [(found.code, found.where) for found in audit.verify().findings] == [("index", "seq 31")]


@only_on_sqlite
@pytest.mark.parametrize("value", ["CAST(outcome AS BLOB)", "outcome || char(0) || 'x'"])
def test_a_value_that_only_sqlite_can_hold_is_looked_at_closely(
    console: Console, closely: list[tuple[int, int]], value: str
) -> None:
    write(10)
    with guards_off():
        sql(
            f"UPDATE opsconsole_auditevent SET outcome = {value} WHERE id = (SELECT min(id) FROM opsconsole_auditevent)"
        )
    assert [(found.code, found.where) for found in audit.verify().findings] == [("index", "seq 1")]
    assert closely != []


@only_on_sqlite  # no database has a part in it
def test_no_damaged_payload_passes_that_a_close_look_would_refuse(console: Console) -> None:
    write(4)
    chance, passed = random.Random(4), 0
    payloads = [bytes(event.payload) for event in AuditEvent.objects.all()]
    for _ in range(20_000):
        sound = chance.choice(payloads)
        payload = damaged(chance, sound)
        vendor = chance.choice(["sqlite", "postgresql"])
        for index in {index_of(sound, vendor), index_of(payload, vendor)}:
            if plainly_well(payload, index, vendor):
                passed += 1
                told = json.loads(payload)
                assert is_canonical(payload, told)
                assert canonical_json(told) == payload
                assert index == index_of(payload, vendor)
    assert passed > 500  # a letter of a text, a digit of a number


def index_of(payload: bytes, vendor: str = "sqlite") -> str:
    """What a database tells of the columns that belong to this payload; nothing where it has none."""
    try:
        told = columns(json.loads(payload))
    except (ValueError, KeyError, TypeError):
        return ""
    at = told["at"].strftime("%Y-%m-%d %H:%M:%S.%f")
    names = ("actor", "actor_name", "uid", "outcome", "database_id", "kind", "database_name", "operation_id", "type")
    rest = [told[name] for name in names]
    if vendor == "sqlite":
        return json.dumps([at, *rest], ensure_ascii=False, separators=(",", ":"))
    texts = ("null" if value is None else str(value) for value in rest)
    return '"'.join([f"{at.rstrip('0').rstrip('.')}+00", *texts])


def damaged(chance: random.Random, payload: bytes) -> bytes:
    """Some bytes replaced, put in, taken out or doubled."""
    at = chance.randrange(len(payload))
    until = at + chance.randrange(4)
    middle = chance.choice([b"", *SIGNS, payload[at : at + chance.randrange(40)]])
    return payload[:at] + middle + payload[until:]


def plainly_well(payload: bytes, index: str, vendor: str = "sqlite") -> bool:
    try:
        told = shapes.lines(vendor).fullmatch(f"{str(payload, 'utf-8')}\n{index}")
        return (
            told is not None
            and (told["data"] is None or shapes.in_order(told["data"]))
            and shapes.midnight_after(told["at"][:10]) > told["at"]
        )
    except ValueError:
        return False


@only_on_sqlite  # no database has a part in it
def test_an_index_that_goes_on_where_a_payload_was_cut_is_not_taken_for_it(console: Console) -> None:
    write(1)
    payload = bytes(AuditEvent.objects.get().payload)
    for vendor in ("sqlite", "postgresql"):
        index = index_of(payload, vendor)
        assert plainly_well(payload, index, vendor)
        assert not plainly_well(payload + b"\n", index, vendor)
        for cut in range(1, len(payload)):
            rest = str(payload[-cut:], "utf-8")
            assert not plainly_well(payload[:-cut], f"{rest}\n{index}", vendor)
            assert not plainly_well(payload[:-cut], f"{rest}{index}", vendor)


@pytest.mark.parametrize("fraction", ["000000", "000001", "100000", "120300", "999999"])
def test_postgresql_tells_no_zeros_at_the_end_of_a_time(fraction: str) -> None:
    lines = shapes.lines("postgresql")
    time = lines.pattern.partition('"at":"')[2].partition('Z","before"')[0]
    whole = f"2026-11-26T05:00:10.{fraction}Z"
    found = re.fullmatch(f"{time}Z", whole)
    assert found is not None
    assert found["time"] == f"05:00:10.{fraction}".rstrip("0").rstrip(".")
    assert re.fullmatch(f"{time}Z", whole.replace(fraction, fraction[:-1])) is None
