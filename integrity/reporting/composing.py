"""A report as a value: what was told, compared with the reports before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrity.checks.base import Found, Held, Outcome, Sample, Severity
from opsconsole import masking


@dataclass(frozen=True, kw_only=True)
class Before:
    """What the newest report that had it said of one fingerprint: since when, and in which words."""

    since: datetime
    check: str
    subject: str
    sentence: str
    severity: str


@dataclass(frozen=True, kw_only=True)
class Composed:
    """Findings, worst first, each with whether it is new and since when; what held; what is fixed."""

    findings: tuple[tuple[Found, bool, datetime], ...]
    held: tuple[Held, ...]
    fixed: tuple[Mapping[str, str], ...]

    def count(self, severity: Severity, *, new: bool = False) -> int:
        return sum(found.severity is severity and (is_new or not new) for found, is_new, _ in self.findings)


def compose(outcomes: Sequence[Outcome], before: Mapping[str, Before], at: datetime) -> Composed:
    """`before` are the findings that stood, by fingerprint.

    One of them that was looked at again and held is fixed; one that was not looked at this time is neither.
    """
    found = {each.fingerprint: each for each in outcomes if isinstance(each, Found)}
    held = {each.fingerprint: each for each in outcomes if isinstance(each, Held)}
    findings = [
        (each, print_ not in before, before[print_].since if print_ in before else at) for print_, each in found.items()
    ]
    findings.sort(key=lambda item: (item[0].severity.rank, not item[1], item[0].category, -item[0].count))
    fixed = [
        {
            "fingerprint": print_,
            "check": was.check,
            "subject": was.subject,
            "sentence": was.sentence,
            "severity": was.severity,
        }
        for print_, was in before.items()
        if print_ in held and print_ not in found
    ]
    return Composed(
        findings=tuple(findings),
        held=tuple(each for print_, each in held.items() if print_ not in found),
        fixed=tuple(fixed),
    )


def masked(sample: Sample | None, table: str, configured: Sequence[str]) -> dict[str, Any] | None:
    """A sample as it is stored: sensitive columns masked, values as JSON has them."""
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
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, bytes):
        return "\\x" + value[:64].hex()
    return str(value)
