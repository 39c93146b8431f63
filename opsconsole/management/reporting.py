"""What commands say and how they end: exit codes, JSON, plain tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import IntEnum
from typing import Any

from django.conf import settings

from opsconsole import kinds
from opsconsole.exceptions import Cancelled, OpsError, Refused, Stale, TargetProblem, Usage
from opsconsole.models import Operation
from opsconsole.plans import Effect, Plan
from opsconsole.states import State
from opsconsole.wording import REORDERING


class Exit(IntEnum):
    """How a command ends; scripts rely on these numbers."""

    OK = 0  # succeeded, or was taken when nobody waits for it
    FAILED = 1  # failed, or it succeeded in finding what must not stand
    USAGE = 2  # the call itself was wrong
    WAITS = 3  # waits for the approval of people
    REFUSED = 4  # a rule forbids it, or it ended without its effect
    INDETERMINATE = 5  # nobody can tell how it ended
    NOT_FINISHED = 6  # still going when the time given to --wait was over


_OBEYED = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{REORDERING}]")
_ENDINGS = {
    State.SUCCEEDED: Exit.OK,
    State.FAILED: Exit.FAILED,
    State.CANCELLED: Exit.REFUSED,
    State.REJECTED: Exit.REFUSED,
    State.EXPIRED: Exit.REFUSED,
    State.STALE: Exit.REFUSED,
    State.INDETERMINATE: Exit.INDETERMINATE,
}


def exit_for_error(error: OpsError) -> Exit:
    """Which exit code an expected error ends a command with."""
    if isinstance(error, Usage):
        return Exit.USAGE
    return Exit.REFUSED if isinstance(error, Refused | TargetProblem | Stale | Cancelled) else Exit.FAILED


def exit_for(operation: Operation, *, waited: bool) -> Exit:
    """Which exit code an operation's state ends a command with; `waited` says whether its end was waited for.

    One that succeeded and whose result says `stands` found something that must not stand.
    """
    state = State(operation.state)
    if state == State.SUCCEEDED and operation.result.get("stands"):
        return Exit.FAILED
    if state in _ENDINGS:
        return _ENDINGS[state]
    if waited:
        return Exit.NOT_FINISHED
    return Exit.WAITS if state in (State.PLANNED, State.PENDING_APPROVAL) else Exit.OK


def for_terminal(text: str) -> str:
    """Text without what a terminal would obey, or show in another order: names in it may be those of strangers."""
    return _OBEYED.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def as_line(answer: Mapping[str, Any]) -> str:
    """One JSON object on one line; times as ISO 8601."""
    return json.dumps(answer, ensure_ascii=False, default=_plain)


def address_of(path: str) -> str:
    """A page's full address when a console runs from this home, else its path."""
    try:
        url = str(json.loads((settings.OPSCONSOLE_HOME / "run.json").read_text())["url"])
    except (OSError, ValueError, KeyError):
        return path
    return url.rstrip("/") + path


def operation_facts(operation: Operation) -> dict[str, Any]:
    """What `--json` says of an operation."""
    facts: dict[str, Any] = {
        "id": operation.id,
        "kind": operation.kind,
        "database": operation.database.name if operation.database else None,
        "state": operation.state,
        "digest": operation.digest,
        "url": address_of(operation.get_absolute_url()),
        "result": operation.result,
        "summary": operation.plan.summary,
        "requester": operation.requester.username if operation.requester else None,
        "votes_needed": operation.votes_needed,
        "created_at": operation.created_at,
        "finished_at": operation.finished_at,
    }
    if operation.state_reason:
        facts["reason"] = operation.state_reason
    if operation.failure_code:
        facts["failure"] = {
            "code": operation.failure_code, "why": operation.failure_why, "next": operation.failure_next
        }  # fmt: skip
    return facts


def operation_sentence(operation: Operation) -> str:
    """What became of an operation, with what to do next, for people."""
    done = operation.state == State.SUCCEEDED
    planned = operation.plan.summary if done else f"What was asked for: {operation.plan.summary}"
    lines = [f"{str(operation).capitalize()}: {operation.face.word}. {planned}"]
    if operation.state == State.PENDING_APPROVAL:
        others = "one other person" if operation.votes_needed == 1 else f"{operation.votes_needed} other people"
        lines.append(f"It waits for {others}: {address_of(operation.get_absolute_url())}")
        if "asked_by" in operation.plan.evidence:
            lines.append(f"{operation.requirement['sentences'][-1]}.")
    elif operation.state == State.FAILED:
        lines.append(f"{operation.failure_why} {operation.failure_next}".strip())
    elif operation.state_reason:
        lines.append(operation.state_reason)
    if (summary := operation.result.get("summary")) and summary != operation.plan.summary:
        lines.append(str(summary))
    return "\n".join(lines)


def plan_text(plan: Plan, *, summary: bool = True) -> str:
    """A plan in plain words, with or without what will be true afterwards."""
    lines = [
        *([plan.summary] if summary else []),
        *([plan.confirmation.sentence] if plan.confirmation else []),
        f"Risk: {plan.risk}." + "".join(f" {reason}" for reason in plan.risk_reasons),
    ]
    if plan.effects:
        lines += ["", _effects(plan)]
    if plan.steps:
        lines += ["", *(f"{number}. {step.title}" for number, step in enumerate(plan.steps, 1))]
    if plan.evidence:
        lines += ["", *(f"{name[:1].upper()}{name[1:]}: {value}" for name, value in plan.evidence.items())]
    if plan.way_back:
        lines += ["", f"Way back: {plan.way_back}"]
    if plan.confirmation:
        lines += ["", f"To approve, type {plan.target().database} and the number of {plan.confirmation.counts}."]
    return "\n".join([*lines, "", f"Digest: {plan.digest}"])


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns of plain text, aligned."""
    cells = [tuple(headings), *(tuple("" if cell is None else str(cell) for cell in row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def _effects(plan: Plan) -> str:
    if plan.confirmation is None or not kinds.get(plan.kind).compares:
        rows = [(e.object, e.action, *_counts(e), e.note) for e in plan.effects]
        return table(("object", "effect", "rows now", "rows after", ""), rows)
    headings = ("object", "effect", "rows now", "rows after", "lost", "set back", "newest now", "newest after", "")
    return table(headings, [(e.object, e.action, *_counts(e), *_loss(e), e.note) for e in plan.effects])


def _loss(effect: Effect) -> tuple[str, ...]:
    """Rows lost and set back, and the newest time on each side."""
    about = "" if effect.exact else "at least " if effect.changed is None else "about "
    lost = "?" if effect.lost is None else about + _grouped(effect.lost)
    changed = "?" if effect.changed is None else about + _grouped(effect.changed)
    return lost, changed, effect.newest_before, effect.newest_after


def _counts(effect: Effect) -> tuple[str, str]:
    """Rows now and after; nothing for what has no rows, and a dash for what is not there (yet, or any more)."""
    if effect.rows_before is None and effect.rows_after is None:
        return "", ""
    absent = {"created": (True, False), "removed": (False, True)}.get(effect.action, (False, False))
    counts = zip((effect.rows_before, effect.rows_after), absent, strict=True)
    before, after = ("-" if gone else "?" if rows is None else _grouped(rows) for rows, gone in counts)
    return before, after


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
