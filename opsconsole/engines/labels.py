"""Labels: how a console names its sessions and locks, and what it makes in or beside a target.

A label is `PREFIX/OPERATION/FENCE`, and the prefix is `opsconsole/INSTANCE`. Every console counts its operations from
one, so whatever lies in a target carries its console's tag as well: nobody sweeps what another console is building.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

TAG = "[0-9a-f]{8}"  # as a regular expression


@dataclass(frozen=True)
class Label:
    """One run of one operation of one console."""

    prefix: str
    operation: int
    fence: int

    @classmethod
    def of(cls, text: str) -> Label | None:
        """The label that a text is; None for another text."""
        prefix, *rest = text.rsplit("/", 2)
        if len(rest) != 2 or not all(word.isdecimal() for word in rest):
            return None
        return cls(prefix, int(rest[0]), int(rest[1]))

    @classmethod
    def beside(cls, text: str, operation: int, fence: int) -> Label:
        """The label of a run of the console that `text` belongs to: a label, or a prefix alone."""
        own = cls.of(text)
        return cls(own.prefix if own else text, operation, fence)

    @property
    def tag(self) -> str:
        """Eight hexadecimal digits that stand for the console in names of databases and files."""
        return hashlib.sha256(self.prefix.encode()).hexdigest()[:8]

    def supersedes(self, other: Label | None) -> bool:
        """Whether the other one is an earlier run of the same operation."""
        return (
            other is not None
            and (other.prefix, other.operation) == (self.prefix, self.operation)
            and other.fence < self.fence
        )
