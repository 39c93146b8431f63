"""Why a rule cannot be asked."""

from __future__ import annotations


class Unfit(Exception):
    """A rule cannot be asked of this database; `why` says what is missing, `next_step` what to do."""

    def __init__(self, why: str, next_step: str = "Change the rule, or the schema.") -> None:
        super().__init__(why)
        self.why, self.next_step = why, next_step
