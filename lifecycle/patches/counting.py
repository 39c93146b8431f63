"""Whether as many rows went in as the plan said."""

from __future__ import annotations

from collections.abc import Mapping

from lifecycle.formats.base import TableContent
from opsconsole.exceptions import OperationFailed


def require(table: TableContent, went: int, expected: Mapping[str, int]) -> None:
    """Raise OperationFailed unless exactly the planned number of rows went in."""
    if went != expected[table.name]:
        raise OperationFailed(
            "counts_differ",
            f"{went} rows of {table.name} would have been put back instead of the {expected[table.name]} planned.",
            "Nothing was put back: others wrote there meanwhile. Ask again; it is planned afresh.",
        )
