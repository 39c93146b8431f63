"""What a review gives: statements and findings as frozen values, which plans and rehearsals keep as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any


class Severity(IntEnum):
    """How much a finding weighs, lightest first. From UNKNOWN on somebody else has to agree."""

    INFO = 1  # good to know
    WARNING = 2  # changes what is there, in a way that is usually meant
    LOCKING = 3  # keeps others from working while it runs
    UNKNOWN = 4  # nobody can say what it does
    DESTRUCTIVE = 5  # takes away what only a backup brings back

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that one statement would do. `statement` is 0 when it is said of the text as a whole.

    `line` is the 1-based line of the source where it stands; `object` the name of what it is done to, "" for none.
    """

    rule: str
    severity: Severity
    statement: int
    line: int
    object: str
    reason: str
    hint: str

    def to_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "severity": self.severity.word,
            "statement": self.statement,
            "line": self.line,
            "object": self.object,
            "reason": self.reason,
            "hint": self.hint,
        }

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Finding:
        """The finding that `to_json` made this of. Raises KeyError and TypeError for anything else."""
        return cls(**{**given, "severity": Severity[given["severity"].upper()]})


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement, without the semicolon and the comments around it.

    `start` and `end` are character offsets in the source (`source[start:end] == text`), `line` is the 1-based line
    where its code begins, `number` counts from 1.
    """

    number: int
    text: str
    line: int
    start: int
    end: int

    def to_json(self) -> dict[str, int]:
        """Without the text, which the source has."""
        return {"number": self.number, "line": self.line, "start": self.start, "end": self.end}


@dataclass(frozen=True, kw_only=True)
class Review:
    """Every statement of a text, and what was found, in the order of the statements."""

    statements: tuple[Statement, ...]
    findings: tuple[Finding, ...]

    @property
    def worst(self) -> Severity | None:
        """The heaviest severity, None when there is nothing to say."""
        return max((finding.severity for finding in self.findings), default=None)

    @property
    def needs_approval(self) -> bool:
        """Whether somebody else should agree before this runs."""
        return self.worst is not None and self.worst >= Severity.UNKNOWN

    def of_statement(self, number: int) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.statement == number)

    def to_json(self) -> dict[str, Any]:
        """Plain values, all of which canonical JSON takes; the text itself is not among them."""
        return {
            "statements": [statement.to_json() for statement in self.statements],
            "findings": [finding.to_json() for finding in self.findings],
        }

    @classmethod
    def from_json(cls, given: Mapping[str, Sequence[Mapping[str, Any]]], source: str) -> Review:
        """The review that `to_json` made this of; `source` is the text that was reviewed.

        Raises KeyError and TypeError for anything else.
        """
        statements = given["statements"]
        return cls(
            statements=tuple(Statement(**each, text=source[each["start"] : each["end"]]) for each in statements),
            findings=tuple(Finding.from_json(finding) for finding in given["findings"]),
        )
