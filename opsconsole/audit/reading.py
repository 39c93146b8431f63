"""Reading the history: filtered pages by key, one event with its proof, and how the history stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.utils.dateparse import parse_date, parse_datetime

from opsconsole.audit.sentences import payload_of
from opsconsole.exceptions import Usage
from opsconsole.models import Account, AuditCheckpoint, AuditEvent, AuditPending, AuditSeal, Person
from opsconsole.row_numbers import row_number
from opsconsole.verify_audit import leaf_of, link

DISORDER = timedelta(seconds=60)  # by how much the times of two events may contradict their ids


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What to show. Empty means everything.

    `person` is a login, an e-mail address, a name, or an actor's key (`person:12`, `system:root`); `database` its
    name; `kind` a kind of operation; `type` a type of event or a family (`auth.`); `outcome` ok, failed or denied.
    """

    person: str = ""
    database: str = ""
    kind: str = ""
    type: str = ""
    outcome: str = ""
    operation: int | None = None
    since: datetime | None = None
    until: datetime | None = None

    @classmethod
    def from_texts(cls, texts: Mapping[str, str]) -> Filters:
        """From texts of a form or a command, unknown names ignored. Raises Usage for a time or number that is none."""
        plain = {name: texts.get(name, "").strip() for name in ("person", "database", "kind", "type", "outcome")}
        operation = texts.get("operation", "").strip()
        if operation and not row_number(operation):
            raise Usage("bad_number", f"{operation!r} is no number of an operation.", "Write it in digits, like 12.")
        return cls(
            **plain, operation=row_number(operation) or None,
            since=moment_of(texts.get("since", "")), until=moment_of(texts.get("until", "")),
        )  # fmt: skip

    def as_texts(self) -> dict[str, str]:
        """What is set, as texts by name: the query of a link, the record of an export."""
        return {name: _text(value) for name, value in vars(self).items() if value not in ("", None)}

    def of(self, rows: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        """The rows that fit."""
        exact = {
            "actor": actor_key(self.person) if self.person else "", "database_name": self.database, "kind": self.kind,
            "outcome": self.outcome, "operation_id": self.operation,
            "type__startswith" if self.type.endswith(".") else "type": self.type,
        }  # fmt: skip
        fitting = rows.filter(**{column: value for column, value in exact.items() if value not in ("", None)})
        return _between(fitting, self.since, self.until)


@dataclass(frozen=True)
class Page:
    """Events, newest first; `next` is the cursor of the page that follows, None on the last one."""

    events: list[AuditEvent]
    next: int | None


@dataclass(frozen=True, kw_only=True)
class Proof:
    """One event and what holds it in its place. Hashes are hexadecimal; `checkpoint` is the first that covers it."""

    text: str  # the exact bytes that were sealed
    leaf: str
    seq: int | None  # None: not sealed yet
    previous: str
    hash: str
    holds: bool  # the stored link is the one that follows from the bytes
    checkpoint: AuditCheckpoint | None


@dataclass(frozen=True, kw_only=True)
class Head:
    """How the history stands. `pending` counts events that wait for their seal."""

    seq: int
    hash: str
    pending: int
    checkpoint: AuditCheckpoint | None
    verified_at: datetime | None
    verdict: str  # of the last verification: sound, tampered or unproven


def events(filters: Filters, *, cursor: int | None = None, limit: int = 50) -> Page:
    """One page of events that fit, older than the event with the id `cursor`."""
    rows = filters.of(AuditEvent.objects.select_related("seal")).order_by("-id")
    if cursor is not None:
        rows = rows.filter(id__lt=cursor)
    found = list(rows[: limit + 1])
    return Page(found[:limit], found[limit - 1].pk if len(found) > limit else None)


def proof(event: AuditEvent) -> Proof:
    """What proves one event: its bytes, its link, and the first checkpoint at or after it."""
    exact = bytes(event.payload)
    leaf, seal = leaf_of(exact), AuditSeal.objects.filter(event=event).first()
    covering = AuditCheckpoint.objects.filter(seq__gte=seal.seq).order_by("seq").first() if seal else None
    return Proof(
        text=exact.decode("utf-8", "replace"), leaf=leaf.hex(), seq=seal.seq if seal else None,
        previous=bytes(seal.previous).hex() if seal else "", hash=bytes(seal.hash).hex() if seal else "",
        holds=seal is not None and link(bytes(seal.previous), seal.seq, leaf) == bytes(seal.hash), checkpoint=covering,
    )  # fmt: skip


def head() -> Head:
    """The end of the chain, its last checkpoint and its last verification."""
    last = AuditSeal.objects.order_by("-seq").first()
    verified = AuditEvent.objects.filter(type="audit.verified").order_by("-id").first()
    return Head(
        seq=last.seq if last else 0, hash=bytes(last.hash).hex() if last else "", pending=AuditPending.objects.count(),
        checkpoint=AuditCheckpoint.objects.order_by("-seq").first(), verified_at=verified.at if verified else None,
        verdict=str(payload_of(verified).get("data", {}).get("verdict", "")) if verified else "",
    )  # fmt: skip


def actor_key(text: str) -> str:
    """The actor's key that a person's login, e-mail address or name stands for. Raises Usage for an unknown person."""
    if ":" in text:
        return text
    account = Account.objects.filter(username=text).values_list("person_id", flat=True).first()
    people = Person.objects.filter(email__iexact=text) | Person.objects.filter(name__iexact=text)
    person = account or people.order_by("id").values_list("id", flat=True).first()
    if person is None:
        raise Usage("unknown_person", f"Nobody is called {text}.", "Use a login, an e-mail address, or system:USER.")
    return f"person:{person}"


def moment_of(text: str) -> datetime | None:
    """A time from `2026-11-20` (its beginning, UTC) or ISO 8601; None for nothing. Raises Usage for what is no time."""
    text = text.strip()
    if not text:
        return None
    try:
        day, at = parse_date(text), parse_datetime(text)
    except ValueError:
        day = at = None
    if at is None and day is not None:
        at = datetime(day.year, day.month, day.day)
    if at is None:
        raise Usage("bad_time", f"{text!r} is no time.", "Write 2026-11-20 or 2026-11-20T10:30:00Z.")
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _between(rows: QuerySet[AuditEvent], since: datetime | None, until: datetime | None) -> QuerySet[AuditEvent]:
    """Rows of a stretch of time, which pages by id can walk at any size.

    Ids follow times but for what happens at the same moment. So the nearest events that are surely outside, found by
    the index on time, bound the ids; the exact times are then compared row by row (COALESCE keeps that off the index,
    which would gather the whole stretch to sort it).
    """
    outside = AuditEvent.objects.values_list("id", flat=True)
    rows = rows.alias(moment=Coalesce("at", "at"))
    if since is not None:
        before = outside.filter(at__lt=since - DISORDER).order_by("-at", "-id").first()
        rows = rows.filter(moment__gte=since, id__gt=before or 0)
    if until is not None:
        after = outside.filter(at__gte=until + DISORDER).order_by("at", "id").first()
        rows = rows.filter(moment__lt=until, **({"id__lt": after} if after else {}))
    return rows


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
