"""What is known to be true of a backup, as a row of shields: each one word, one sentence and the day it was proven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lifecycle.models import Backup

PROVEN, MISSING, BROKEN = "proven", "missing", "broken"


@dataclass(frozen=True, kw_only=True)
class Shield:
    """One claim. `state` is proven, missing (nobody has tried) or broken (somebody tried and it failed)."""

    word: str
    state: str
    sentence: str
    at: datetime | None = None

    @property
    def colour(self) -> str:
        return {PROVEN: "green", MISSING: "grey", BROKEN: "red"}[self.state]

    @property
    def icon(self) -> str:
        return {PROVEN: "verified_user", MISSING: "shield", BROKEN: "gpp_bad"}[self.state]


def shields_of(backup: Backup) -> list[Shield]:
    """Complete, read through, restorable: from the checks that were recorded, newest counting."""
    newest = {str(check["level"]): check for check in backup.checks}
    return [
        Shield(
            word="complete",
            state=PROVEN,
            at=backup.finished_at,
            sentence="Its signed manifest was published last, after every object was on disk.",
        ),
        _checked(
            "read through",
            newest.get("V1"),
            done="Every byte was read back, unpacked and compared with the manifest.",
            undone="Nobody has read it back in full.",
        ),
        _checked(
            "restorable",
            newest.get("V2"),
            done="It was restored into a scratch database and the rows were compared.",
            undone="It has not been restored as a drill yet; only a restore proves a backup.",
        ),
    ]


def _checked(word: str, check: Mapping[str, Any] | None, *, done: str, undone: str) -> Shield:
    if check is None:
        return Shield(word=word, state=MISSING, sentence=undone)
    at = datetime.fromisoformat(str(check["at"]))
    if check.get("ok"):
        return Shield(word=word, state=PROVEN, at=at, sentence=done)
    return Shield(word=word, state=BROKEN, at=at, sentence=str(check.get("detail") or "The check failed."))
