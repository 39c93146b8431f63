"""Ways to tell what a check saw, which all checks that look by themselves share."""

from __future__ import annotations

from typing import Any

from integrity.checks.base import Answer, Check, Found, Held, Severity
from integrity.checks.unseen import unseen


class Telling(Check):
    """A check that tells of its subjects under its own name and category."""

    def found(self, subject: str, sentence: str, **more: Any) -> Found:
        """A fault, of the check's own severity unless another is given."""
        given = {"severity": self.severity, "category": self.category} | more
        return Found(check=self.name, subject=subject, sentence=sentence, **given)

    def counted(self, subject: str, sentence: str, answer: Answer, **more: Any) -> Found:
        """A fault of so many rows, with those that were fetched to be shown."""
        rows = {"count": answer.count, "of": answer.of, "margin": answer.margin, "sample": answer.sample}
        return self.found(subject, sentence, query=answer.query, **rows, **more)

    def held(self, subject: str, sentence: str, margin: str = "") -> Held:
        """The subject of a fault, when it is sound; with a margin (see `Held`), when it only seems to be."""
        return Held(check=self.name, subject=subject, sentence=sentence, margin=margin)

    def unseen(self, what: str, because: str, next_step: str, *, severity: Severity = Severity.INFO) -> Found:
        """Something that could not be judged: `because` goes on after a colon. It is nobody's fault yet."""
        return unseen(self.name, what, self.category, severity, f"{because}.", next_step)
