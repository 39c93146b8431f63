"""What pages say about an operation: sentences, sorted effects, progress. Reads its row and plan, decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from opsconsole import kinds
from opsconsole.audit.sentences import payload_of, sentence
from opsconsole.models import AuditEvent, Operation
from opsconsole.plans import Effect, Plan, Step
from opsconsole.states import State

VERBS = {
    "replaced": "replace", "removed": "remove", "created": "create", "changed": "change", "emptied": "empty",
    "reduced": "delete from",
}  # fmt: skip
FREEZING = {State.RUNNING, State.CANCELLING, State.RECOVERING}


@dataclass(frozen=True, kw_only=True)
class EffectRow:
    """One line of the effects table; `lost` counts rows that will be gone, None when nobody knows.

    A plan that compared rows says which are lost; of others it is what the counts tell.
    """

    effect: Effect
    difference: int | None
    lost: int | None
    newest_before: datetime | None = None
    newest_after: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is. `percent` is None while the total is unknown; `rate` is units a second."""

    step: str
    done: int
    total: int
    unit: str
    percent: int | None
    rate: float | None
    left: timedelta | None


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A label with a value, or with facts of its own."""

    label: str
    value: Any = ""
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Told:
    """One event of the timeline."""

    sentence: str
    reason: str
    at: datetime
    type: str
    outcome: str
    pk: int


def noun_of(operation: Operation) -> str:
    """`restore of savings`, or what a change would do."""
    return (
        f"{kinds.noun(operation.kind)} of {operation.database.name}" if operation.database else operation.plan.summary
    )


def title_of(operation: Operation) -> str:
    """`Restore of savings`; of a change its sentence, which may begin with the name of a database."""
    noun = noun_of(operation)
    return noun[:1].upper() + noun[1:] if operation.database else noun


def effects_of(plan: Plan) -> list[EffectRow]:
    """The plan's effects, the biggest loss first; then what changes, then the rest by name."""
    rows = [_effect(effect) for effect in plan.effects]
    return sorted(
        rows,
        key=lambda row: (
            -(row.lost or 0),
            -(row.effect.changed or 0),
            row.effect.exact,
            -abs(row.difference or 0),
            row.effect.object,
        ),
    )


def lost_rows(rows: Iterable[EffectRow]) -> int:
    """How many rows will be gone, over all tables for which that is known."""
    return sum(row.lost or 0 for row in rows)


def act_of(plan: Plan) -> str:
    """What approving lets happen, for the button: `replace 7 tables, remove 1 table`, or the kind's verb."""
    if not plan.targets:
        return "make this change"
    counts: dict[str, int] = {}
    for effect in plan.effects:
        if effect.action in VERBS:
            counts[effect.action] = counts.get(effect.action, 0) + 1
    if counts:
        return ", ".join(f"{VERBS[a]} {n} {'table' if n == 1 else 'tables'}" for a, n in counts.items())
    return f"{kinds.get(plan.kind).label.lower()} {plan.targets[0].database}"


def steps_of(plan: Plan) -> tuple[Step, ...]:
    """The plan's steps with their exact bytes, wherever its kind keeps them."""
    return kinds.get(plan.kind).steps(plan) if plan.targets else plan.steps


def is_compared(plan: Plan) -> bool:
    """Whether its losses are told like those of a restore: what is only there now, and what is set back."""
    return plan.confirmation is not None and kinds.get(plan.kind).compares


def settings_of(plan: Plan) -> dict[str, Any]:
    """What was asked for, by name; what is kept encrypted in the plan, or as a structure, is nothing to read here."""
    shown = {name: value for name, value in plan.parameters.items() if isinstance(value, str | int)}
    return {name: value for name, value in shown.items() if value and not name.endswith("_sealed")}


def headline_of(operation: Operation, missing: Iterable[str] = ()) -> str:
    """Where the operation stands, in one sentence."""
    state = State(operation.state)
    asked = str(operation.requester.person.name) if operation.requester else "Somebody on the server"
    if state == State.PENDING_APPROVAL:
        return f"{asked} asked for it. It waits for {' and '.join(missing) or 'its approvals to be counted'}."
    if state == State.QUEUED:
        return (
            operation.waiting_for and f"It is next after {operation.waiting_for}."
        ) or "It waits for a worker to take it up."
    if state == State.SUCCEEDED:
        return str(operation.result.get("summary") or "It succeeded.")
    if state == State.FAILED:
        return operation.failure_why or operation.state_reason or "It failed."
    return _SENTENCES.get(state, "") if not operation.state_reason else _with_reason(operation)


def cancel_words(operation: Operation) -> str:
    """What cancelling would mean now; empty when it is too late or there is nothing to cancel."""
    state = State(operation.state)
    if state in (State.PLANNED, State.PENDING_APPROVAL, State.QUEUED):
        return "It has not started, so nothing is changed."
    if state == State.RUNNING and operation.committed_at is None and operation.witness.get("done"):
        done, of = operation.witness["done"], operation.witness["of"]
        return f"It stops before its next step; {done} of {of} are done and stay."
    if state == State.RUNNING and operation.committed_at is None:
        return "It stops at its next safe place. Its commit point has not passed, so the database stays as it was."
    return ""


def progress_of(operation: Operation) -> Progress | None:
    """The newest numbers of a run, with the rate and the time left when the step has run for a while."""
    raw: dict[str, Any] = operation.progress
    if not raw or operation.state not in FREEZING:
        return None
    done, total = int(raw.get("done", 0)), int(raw.get("total", 0))
    rate = _rate(raw, operation.progress_at)
    return Progress(
        step=str(raw.get("step", "")),
        done=done,
        total=total,
        unit=str(raw.get("unit", "")),
        percent=min(100, done * 100 // total) if total else None,
        rate=rate,
        left=timedelta(seconds=(total - done) / rate) if rate and total > done else None,
    )


def told(event: AuditEvent) -> Told:
    """An event as it is read."""
    payload = payload_of(event)
    return Told(
        sentence=sentence(payload),
        reason=str(payload.get("reason", "")),
        at=event.at,
        type=event.type,
        outcome=event.outcome,
        pk=event.pk,
    )


def facts_of(evidence: Mapping[str, Any]) -> list[Fact]:
    """Evidence as labelled facts, in its own order."""
    return [_fact(key.replace("_", " "), value) for key, value in evidence.items()]


_SENTENCES = {
    State.PLANNED: "It is planned, and nobody has asked for it yet.",
    State.RUNNING: "A worker is on it.",
    State.CANCELLING: "It was asked to stop and does so at its next safe place.",
    State.RECOVERING: "Its worker was lost; another one reads how far it came.",
    State.INDETERMINATE: "Nobody can tell by machine how it ended, so a person must look and decide.",
    State.CANCELLED: "It was cancelled, and nothing was changed.",
    State.REJECTED: "It was rejected, and nothing was changed.",
    State.EXPIRED: "Nobody decided in time, and nothing was changed.",
    State.STALE: "The database moved on since it was planned, and nothing was changed.",
}


def _with_reason(operation: Operation) -> str:
    sentence = _SENTENCES.get(State(operation.state), "")
    return f"{sentence} {operation.state_reason}".strip()


def _effect(effect: Effect) -> EffectRow:
    before, after = effect.rows_before, effect.rows_after
    if effect.action == "removed":
        after = 0 if after is None else after
    if effect.action == "created":
        before = 0 if before is None else before
    known = before is not None and after is not None
    difference = (after or 0) - (before or 0) if known else None
    fewer = max(0, -difference) if difference is not None else None
    return EffectRow(
        effect=effect,
        difference=difference,
        lost=fewer if effect.lost is None else effect.lost,
        newest_before=_moment(effect.newest_before),
        newest_after=_moment(effect.newest_after),
    )


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _fact(label: str, value: Any) -> Fact:
    if isinstance(value, Mapping):
        return Fact(label=label, facts=tuple(facts_of(value)))
    if isinstance(value, list | tuple):
        return Fact(label=label, value=", ".join(map(str, value)))
    return Fact(label=label, value=value)


def _rate(raw: dict[str, Any], at: datetime | None) -> float | None:
    if not raw.get("since") or at is None:
        return None
    spent = (at - datetime.fromisoformat(raw["since"])).total_seconds()
    return int(raw.get("done", 0)) / spent if spent >= 2 and raw.get("done") else None
