"""Whoever owns the database, with its guards switched off, changes one value: verify finds it, whichever it is.

What is out of reach stands in OUT_OF_REACH, with its reason, and in docs/audit.md.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import models, transaction

from opsconsole import audit
from opsconsole.audit import checkpoints
from opsconsole.models import (
    Account,
    AuditCheckpoint,
    AuditEvent,
    AuditPending,
    AuditSeal,
    Bootstrap,
    CredentialSeal,
    Database,
    Environment,
    ExecutionGrant,
    Membership,
    Operation,
    OperationTarget,
    Person,
    Policy,
    Schedule,
    ScheduleSlot,
    Vote,
)
from opsconsole.plans import canonical_json
from opsconsole.verify_audit import Report
from tests.opsconsole.audit.story import live, ran_by_schedule
from tests.support.people import Cast
from tests.support.rows import only_on_sqlite
from tests.support.tampering import forge_chain, guards_off

LOG: tuple[type[models.Model], ...] = (AuditEvent, AuditSeal, AuditCheckpoint)
RULES: tuple[type[models.Model], ...] = (
    Vote, Policy, Schedule, Operation, OperationTarget, ExecutionGrant, CredentialSeal, Membership, Environment,
    Database, Person, Account, Bootstrap,
)  # fmt: skip
WHO_AND_WHEN = {"id", "changed_by_id"}  # nothing follows from them, and the event tells who did it, and when
OUT_OF_REACH: dict[type[models.Model], set[str]] = {
    AuditCheckpoint: {"id"},
    Vote: {"reason", "ip", "credential"},  # the event tells them; nobody counts by the first two
    Policy: {*WHO_AND_WHEN, "created_at"},
    Schedule: {*WHO_AND_WHEN, "created_at"},  # a run under a standing approval is judged by the time of its event
    Operation: {  # what moves while it runs, and what a run says of itself
        "state_reason", "reason", "parent_id", "queue", "submitted_at", "run_after", "published_at", "waiting_for",
        "started_at", "deadline_at", "finished_at", "attempts", "fence", "runner_fence", "lost_at", "worker",
        "claim_nonce", "lease_until", "cancel_requested_at", "cancel_requested_by_id", "progress", "progress_at",
        "witness", "committed_at", "result", "failure_code", "failure_why", "failure_next",
    },
    OperationTarget: {"id"},
    ExecutionGrant: {"id", "at", "inputs"},
    CredentialSeal: {*WHO_AND_WHEN, "at"},
    Membership: WHO_AND_WHEN,
    Environment: {*WHO_AND_WHEN, "label", "order", "colour"},
    Database: {  # what it said of itself when it was last asked; it is asked again before each operation
        "identity", "incarnation", "server_version", "seen_at", "problem", "created_at", "changed_by_id",
    },
    Person: {"name", "changed_by_id"},
    Account: {"is_staff", "is_superuser", "date_joined", "must_change_password", "changed_by_id", "last_login"},
    Bootstrap: {"id", "closed_at", "closed_by_id"},  # when it ended and by whom; that it ended is compared
}  # fmt: skip


@pytest.fixture
def kept(office: Cast, tmp_path: Path) -> Iterator[Path]:
    """The copy of the checkpoints that somebody else keeps, of a console with a life; its guards are off."""
    live(office)
    audit.checkpoint(force=True)
    copy = tmp_path / "kept.log"
    shutil.copyfile(checkpoints.anchors_path(), copy)
    assert audit.verify(anchors=copy, approvals=True).exit_code == 0
    with guards_off():
        yield copy


@contextmanager
def undone() -> Iterator[None]:
    """What is done inside is taken back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def found(kept: Path) -> bool:
    """Whether verify says that the history was tampered with; that the guards are off does not count."""
    report: Report = audit.verify(anchors=kept, approvals=True)
    return any(finding.code != "guards" for finding in report.findings)


def flipped(field: models.Field[Any, Any], value: Any) -> Any:
    """Another value that the column takes."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, bytes | memoryview):
        data = bytearray(bytes(value))
        data[len(data) // 2] ^= 1
        return bytes(data)
    if isinstance(value, datetime):
        return value + timedelta(hours=1)
    if isinstance(value, int) or (value is None and isinstance(field, models.ForeignKey | models.IntegerField)):
        return (value or 0) + 7919
    if isinstance(value, list):
        return [*value, "x"]
    if isinstance(value, dict):
        return {**value, "x": 1}
    if value is None and isinstance(field, models.DateTimeField):
        return checkpoints.now()
    if isinstance(field, models.GenericIPAddressField):
        return "10.9.8.7"
    return ("x" if value[:1] != "x" else "y") + value[1:] if value else "x"


def unseen(kept: Path, row: models.Model) -> list[str]:
    """The columns of a row whose change nobody finds."""
    missed = []
    for field in row._meta.concrete_fields:
        changed = {field.attname: flipped(field, getattr(row, field.attname))}
        with undone():
            assert type(row)._default_manager.filter(pk=row.pk).update(**changed) == 1
            if not found(kept):
                missed.append(field.attname)
    return missed


def middle(model: type[models.Model]) -> models.Model:
    rows = model._default_manager.order_by("pk")
    return rows[rows.count() // 2]


def unseen_of_all(kept: Path, models: Iterable[type[models.Model]]) -> dict[str, set[str]]:
    """By model, the columns of one of its rows whose change nobody finds."""
    return {model.__name__: set(unseen(kept, middle(model))) for model in models}


def out_of_reach(models: Iterable[type[models.Model]]) -> dict[str, set[str]]:
    return {model.__name__: OUT_OF_REACH.get(model, set()) for model in models}


def test_no_column_of_the_log_changes_unseen(kept: Path) -> None:
    assert unseen_of_all(kept, LOG) == out_of_reach(LOG)


@only_on_sqlite
def test_no_column_of_what_decides_changes_unseen(kept: Path) -> None:
    assert unseen_of_all(kept, RULES) == out_of_reach(RULES)


@only_on_sqlite
def test_nothing_of_a_run_that_was_approved_once_changes_unseen(office: Cast, tmp_path: Path) -> None:
    run, copy = ran_by_schedule(office), tmp_path / "kept.log"
    schedule, slot = Schedule.objects.get(name="scrubs"), ScheduleSlot.objects.get(operation=run)
    audit.checkpoint(force=True)
    shutil.copyfile(checkpoints.anchors_path(), copy)
    assert audit.verify(anchors=copy, approvals=True).findings == []
    with guards_off():
        assert set(unseen(copy, schedule)) == OUT_OF_REACH[Schedule]
        for row, change in (
            (run, {"standing": None}), (run, {"standing": Operation.objects.earliest("id")}),
            (slot, {"operation": None}), (slot, {"state": "refused"}),
        ):  # fmt: skip
            with undone():
                type(row)._default_manager.filter(pk=row.pk).update(**change)
                assert found(copy), change


@only_on_sqlite
def test_no_row_is_removed_or_doubled_unseen(kept: Path) -> None:
    for model in (*LOG, Vote, Policy, Operation, Membership, Database):
        row = middle(model)
        with undone():
            model._default_manager.filter(pk=row.pk)._raw_delete("default")  # type: ignore[attr-defined]
            assert found(kept), model
        with undone():
            double(row)
            assert found(kept), model


def double(row: models.Model) -> None:
    """The same row once more, under another key."""
    for field in row._meta.concrete_fields:
        if field.primary_key:
            setattr(row, field.attname, 900_000)
        elif field.unique or field.name in ("version", "role", "name"):
            setattr(row, field.attname, flipped(field, getattr(row, field.attname)))
    row.save(force_insert=True)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict) and value:
        for key in value:
            yield from leaves(value[key], (*path, key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path


def edited(told: Any, path: tuple[Any, ...]) -> Any:
    if not path:
        return {"x": 1} if told in ({}, []) else not told if isinstance(told, bool) else f"{told}x"
    copy = told.copy()
    copy[path[0]] = edited(told[path[0]], path[1:])
    return copy


@only_on_sqlite
@pytest.mark.parametrize("rewritten", [False, True], ids=["as it is", "with every link computed anew"])
def test_no_field_of_a_payload_changes_unseen(kept: Path, rewritten: bool) -> None:
    event = AuditEvent.objects.filter(type="op.planned").order_by("id")[0]
    told, seq = json.loads(bytes(event.payload)), event.seal.seq
    missed = []
    for path in leaves(told):
        with undone():
            AuditEvent.objects.filter(pk=event.pk).update(payload=canonical_json(edited(told, path)))
            if rewritten:
                forge_chain(seq)
            if not found(kept):
                missed.append(path)
    assert missed == []


def swap_events() -> None:
    first, second = AuditSeal.objects.order_by("seq")[20:22]
    AuditSeal.objects.filter(seq=first.seq).update(event_id=900_000)
    AuditSeal.objects.filter(seq=second.seq).update(event_id=first.event_id)
    AuditSeal.objects.filter(seq=first.seq).update(event_id=second.event_id)


def swap_checkpoints() -> None:
    first, second = AuditCheckpoint.objects.order_by("seq")[:2]
    AuditCheckpoint.objects.filter(pk=first.pk).update(note=second.note)
    AuditCheckpoint.objects.filter(pk=second.pk).update(note=first.note)


def wait_for_a_seal_again() -> None:
    AuditPending.objects.create(event=AuditSeal.objects.order_by("seq")[20].event)


def wait_for_no_event() -> None:
    AuditPending.objects.create(event_id=900_000)


def cut_everything() -> None:
    for model in (AuditCheckpoint, AuditSeal, AuditPending, AuditEvent):
        model.objects.all()._raw_delete("default")


def end_the_setting_up_again() -> None:
    Bootstrap.objects.update(closed_at=None)


@only_on_sqlite
def test_other_tampering_is_found(kept: Path) -> None:
    for tamper in (
        swap_events, swap_checkpoints, wait_for_a_seal_again, wait_for_no_event, cut_everything,
        end_the_setting_up_again,
    ):  # fmt: skip
        with undone():
            tamper()
            assert found(kept), tamper


@pytest.mark.nightly
@pytest.mark.parametrize("console_backend", ["sqlite", "postgresql"])
@pytest.mark.parametrize("model", [*LOG, *RULES], ids=lambda model: model.__name__)
def test_no_column_of_any_row_changes_unseen(kept: Path, model: type[models.Model]) -> None:
    missed = {row.pk: set(unseen(kept, row)) for row in model._default_manager.order_by("pk")}
    assert {pk: columns for pk, columns in missed.items() if columns - OUT_OF_REACH.get(model, set())} == {}
