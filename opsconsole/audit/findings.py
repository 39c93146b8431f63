"""What a verification finds, as values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

MOST_FINDINGS = 200  # kept word for word; of more, only their number
SOUND, TAMPERED, UNPROVEN = "sound", "tampered", "unproven"
EXIT_CODES = {SOUND: 0, TAMPERED: 1, UNPROVEN: 2}


@dataclass(frozen=True)
class Finding:
    """`code` is stable, `where` names the row (`seq 12`, `operation 4`), `why` says what does not fit."""

    code: str
    where: str
    why: str

    def as_dict(self) -> dict[str, str]:
        return {"code": self.code, "where": self.where, "why": self.why}


@dataclass
class Report:
    """What was checked and what came of it. `unproven` says what could not be checked, and how to make it possible."""

    from_seq: int = 1
    to_seq: int = 0
    events: int = 0
    operations: int = 0
    checkpoints: int = 0
    last_checkpoint: int = 0
    findings: list[Finding] = field(default_factory=list)
    findings_in_all: int = 0
    unproven: list[str] = field(default_factory=list)

    def add(self, code: str, where: str, why: str) -> None:
        self.findings_in_all += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(code, where, why))

    @property
    def verdict(self) -> str:
        """`tampered` when anything does not fit, `unproven` when something could not be checked, else `sound`."""
        if self.findings_in_all:
            return TAMPERED
        return UNPROVEN if self.unproven else SOUND

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.verdict]

    def as_dict(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict, "from_seq": self.from_seq, "to_seq": self.to_seq, "events": self.events,
            "operations": self.operations, "checkpoints": self.checkpoints, "last_checkpoint": self.last_checkpoint,
            "findings_in_all": self.findings_in_all, "findings": [finding.as_dict() for finding in self.findings],
            "unproven": self.unproven,
        }  # fmt: skip


Check = Callable[[Report], None]
