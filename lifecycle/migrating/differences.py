"""How two schemas of one database differ, by the names of their parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

MOST_SHOWN = 2000  # characters of a definition


@dataclass(frozen=True, kw_only=True)
class Change:
    """One difference between two schemas. `name` has the kind in front: "column public.users.email"."""

    name: str
    change: str  # added, removed or changed
    before: str = ""
    after: str = ""

    def cut(self, most: int) -> Change:
        """With so many characters of its definitions."""
        return replace(self, before=self.before[:most], after=self.after[:most])


def schema_changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    """What was added, removed and changed, by name."""
    found = []
    for name in sorted({*before, *after}):
        if name not in before:
            found.append(Change(name=name, change="added", after=after[name][:MOST_SHOWN]))
        elif name not in after:
            found.append(Change(name=name, change="removed", before=before[name][:MOST_SHOWN]))
        elif before[name] != after[name]:
            was, now = (definition[:MOST_SHOWN] for definition in (before[name], after[name]))
            found.append(Change(name=name, change="changed", before=was, after=now))
    return found


def gist(changes: Sequence[Change]) -> list[Change]:
    """Without the columns, references and rules of tables that came or went as a whole."""
    whole = {
        name
        for change in changes
        for kind, _, name in [change.name.partition(" ")]
        if kind in ("table", "relation") and change.change != "changed"
    }
    return [change for change in changes if _owner(change.name) not in whole]


def _owner(name: str) -> str:
    """The table that a part of one belongs to, "" for anything else."""
    kind, _, rest = name.partition(" ")
    if kind == "column":
        return rest.rpartition(".")[0]
    if name.startswith("foreign key "):
        return name.removeprefix("foreign key ").partition("(")[0]
    if kind in ("constraint", "trigger", "policy", "rule"):
        return rest.rpartition(" on ")[2]
    return ""
