"""What a plan lists: rows of one table to which one thing happens, each by its key and the digest of its content.

The listing is encrypted in the plan, for keys may be secrets; its digest, and what happens to how many rows of which
table, stand beside it.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from opsconsole.ciphers import field_cipher
from opsconsole.engines.fixing import Aim
from opsconsole.exceptions import Refused
from opsconsole.plans import Plan, canonical_json, digest_of

SEALED = "listing_sealed"


@dataclass(frozen=True, kw_only=True)
class Part:
    """Rows of a table that are deleted, or in which `columns` get the values of each aim.

    They are rows of the finding (`check`, `subject`), met by `where` with `joins`, and `value` is what gave them their
    value; or they go along with rows of another table, as `along` says. `shown` are their masked values, by `titles`.
    """

    table: str
    columns: tuple[str, ...] = ()
    check: str = ""
    subject: str = ""
    where: str = ""
    joins: str = ""
    value: str = ""
    people: bool = False
    along: str = ""
    left_out: int = 0  # rows that another part has already
    titles: tuple[str, ...] = ()
    aims: tuple[Aim, ...] = field(default=(), repr=False)
    shown: tuple[tuple[Any, ...], ...] = field(default=(), repr=False)

    @property
    def deletes(self) -> bool:
        return not self.columns

    @property
    def listing(self) -> list[list[Any]]:
        """Key, digest, values and what is shown of each row, as JSON has it."""
        return [
            [list(aim.key), aim.digest, list(aim.values), list(shown)]
            for aim, shown in zip(self.aims, self.shown, strict=True)
        ]

    @property
    def digest(self) -> str:
        """Over all rows, in their order."""
        return digest_of(canonical_json(self.listing))

    def to_json(self) -> dict[str, Any]:
        """All but the rows themselves."""
        return {
            "table": self.table, "columns": list(self.columns), "check": self.check, "subject": self.subject,
            "where": self.where, "joins": self.joins, "value": self.value, "people": self.people,
            "along": self.along, "left_out": self.left_out, "titles": list(self.titles), "rows": len(self.aims),
            "digest": self.digest,
        }  # fmt: skip


def sealed(parts: Sequence[Part]) -> dict[str, Any]:
    """The parameters of a plan that hold them."""
    packed = zlib.compress(json.dumps([part.listing for part in parts]).encode())
    return {
        "parts": [part.to_json() for part in parts],
        SEALED: field_cipher().seal(base64.b64encode(packed).decode()) if parts else "",
    }


def outline(plan: Plan) -> list[Part]:
    """The parts of a sealed plan without their rows."""
    return [_part(raw) for raw in plan.parameters.get("parts", ())]


def opened(plan: Plan) -> list[Part]:
    """The parts of a sealed plan with their rows. Raises OpsError when its key is gone, or it was tampered with."""
    given = plan.parameters
    if not given.get("parts"):
        return []
    packed = base64.b64decode(field_cipher().open(str(given[SEALED])))
    listings = json.loads(zlib.decompress(packed))
    parts = []
    for raw, listing in zip(given["parts"], listings, strict=True):
        part = replace(_part(raw), aims=tuple(map(_aim, listing)), shown=tuple(tuple(row[3]) for row in listing))
        if part.digest != raw["digest"]:
            raise Refused("listing_differs", "The listed rows are not those that were approved.", "Ask again.")
        parts.append(part)
    return parts


def rows_of(plan: Plan) -> list[int]:
    """How many rows each part has."""
    return [int(raw["rows"]) for raw in plan.parameters.get("parts", ())]


def _part(raw: Mapping[str, Any]) -> Part:
    return Part(
        table=str(raw["table"]),
        columns=tuple(raw["columns"]),
        check=str(raw["check"]),
        subject=str(raw["subject"]),
        where=str(raw["where"]),
        joins=str(raw["joins"]),
        value=str(raw["value"]),
        people=bool(raw["people"]),
        along=str(raw["along"]),
        left_out=int(raw["left_out"]),
        titles=tuple(raw["titles"]),
    )


def _aim(row: Sequence[Any]) -> Aim:
    return Aim(key=tuple(row[0]), digest=str(row[1]), values=tuple(row[2]))
