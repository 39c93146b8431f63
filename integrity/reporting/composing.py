"""A report as a value: what was told, compared with what stood before."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrity.checks.base import Found, Held, Outcome, Sample, Severity
from opsconsole import masking
from opsconsole.plans import LARGEST_INTEGER

LONGEST_VALUE = 500  # characters of one value of a sample


@dataclass(frozen=True, kw_only=True)
class Before:
    """A finding that stood before: its row, since when it stands, and in which words it was told."""

    finding: int
    fingerprint: str
    since: datetime
    check: str
    subject: str
    sentence: str
    severity: str
    failed: bool

    def told(self) -> dict[str, str]:
        """As reports list what is fixed."""
        return {
            "fingerprint": self.fingerprint,
            "check": self.check,
            "subject": self.subject,
            "sentence": self.sentence,
            "severity": self.severity,
        }


@dataclass(frozen=True, kw_only=True)
class Off:
    """A rule that was off, by the name of its check: the change that set it so, and what had stood of it."""

    check: str
    operation: int
    stood: tuple[Before, ...]


@dataclass(frozen=True, kw_only=True)
class Composed:
    """Findings, worst first, each with whether it is new and since when; what held; and what became of the rest that
    stood before: fixed, gone, carried on because nobody looked, or set aside because its rule was off.
    """

    findings: tuple[tuple[Found, bool, datetime], ...]
    held: tuple[Held, ...]
    fixed: tuple[Before, ...]
    gone: tuple[Before, ...]
    carried: tuple[Before, ...]
    off: tuple[Off, ...] = ()

    def count(self, severity: Severity, *, new: bool = False) -> int:
        return sum(found.severity is severity and (is_new or not new) for found, is_new, _ in self.findings)

    def stands(self, severity: Severity) -> int:
        """How many stand now, those counted that were not looked at, and not those of rules that are off."""
        return self.count(severity) + sum(was.severity == severity for was in self.carried)


def compose(
    outcomes: Sequence[Outcome],
    before: Mapping[str, Before],
    at: datetime,
    looked: Collection[str] | None = None,
    known: Collection[str] | None = None,
    off: Mapping[str, int] | None = None,
) -> Composed:
    """`before` are the findings that stood, by fingerprint; `looked` names the checks that were asked, None for all;
    `known` those that there are at all; `off` those of rules that are switched off, with the change that did it.

    What stood and was found again stands still. Else it is *fixed* when it was looked at and held, *gone* when its
    check is not there any more, or was asked and told nothing of it, and *carried* when nobody could know: its check
    was not asked, got no answer, or looked at a sample only. What stood of a rule that is off is *set aside*.
    """
    found = {each.fingerprint: each for each in outcomes if isinstance(each, Found)}
    held = {each.fingerprint: each for each in outcomes if isinstance(each, Held)}
    unanswered = {each.check for each in found.values() if each.failed}
    fixed, gone, carried = list[Before](), list[Before](), list[Before]()
    aside: dict[str, list[Before]] = {check: [] for check in off or ()}
    for print_, was in before.items():
        if print_ in found:
            continue
        holds = held.get(print_)
        if was.check in aside:
            aside[was.check].append(was)
        elif known is not None and was.check not in known:
            gone.append(was)
        elif looked is not None and was.check not in looked:
            carried.append(was)
        elif was.failed or (holds is not None and not holds.margin):
            fixed.append(was)  # what could not be looked at was looked at now
        elif holds is not None or was.check in unanswered:
            carried.append(was)
        else:
            gone.append(was)
    carried.sort(key=lambda was: (Severity(was.severity).rank, was.finding))
    findings = [
        (each, print_ not in before, before[print_].since if print_ in before else at) for print_, each in found.items()
    ]
    findings.sort(key=lambda item: _place(item[0], item[1]))
    return Composed(
        findings=tuple(findings),
        held=tuple(each for print_, each in held.items() if print_ not in found),
        fixed=tuple(fixed),
        gone=tuple(gone),
        carried=tuple(carried),
        off=tuple(Off(check=check, operation=(off or {})[check], stood=tuple(aside[check])) for check in sorted(aside)),
    )


def _place(found: Found, is_new: bool) -> tuple[int, bool, str, str, int]:
    """The worst first, and what one check found together, so that it reads as one thing."""
    return found.severity.rank, not is_new, found.category, found.check, -found.count


def masked(sample: Sample | None, table: str, configured: Sequence[str]) -> dict[str, Any] | None:
    """A sample as it is stored: sensitive columns masked, values as JSON has them, long ones cut."""
    if sample is None:
        return None
    hidden = masking.sensitive_columns(table, sample.columns, configured)
    rows = [
        [
            masking.mask(value) if column in hidden else _shown(masking.mask_within(value))
            for column, value in zip(sample.columns, row, strict=True)
        ]
        for row in sample.rows
    ]
    return {"columns": list(sample.columns), "rows": rows}


def _shown(value: Any) -> Any:
    """What canonical JSON, and every database of the console's, can hold."""
    if value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) <= LARGEST_INTEGER):
        return value
    if isinstance(value, bytes | memoryview):
        text = "\\x" + bytes(value[:64]).hex()
    elif isinstance(value, dict | list):
        text = json.dumps(value, ensure_ascii=False, default=str)
    else:
        text = str(value)
    text = text.replace("\0", "␀").encode("utf-8", "replace").decode()
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"
