"""Rows that do not fit: the first one stops the load, or each is kept in a file that is counted and named."""

from __future__ import annotations

import json
from collections.abc import Mapping

from lifecycle.documents.base import Document
from lifecycle.documents.values import encode
from lifecycle.formats.base import StoredObject
from lifecycle.formats.streams import ArchiveWriter, CompressingWriter
from lifecycle.loading.base import FILE, Options, RejectObject, Survey
from opsconsole.exceptions import OperationFailed, Usage

AGAIN = "Nothing was changed."


class Rejects:
    """Takes the number of each row that does not fit and why; the rows themselves are read again at the end."""

    def __init__(self, options: Options, place: RejectObject | None) -> None:
        if options.on_reject == FILE and place is None:
            raise Usage("no_reject_file", "Rejected rows need a file to go to.", "Name one.")
        self._options = options
        self._place = place
        self._rows: dict[str, dict[int, str]] = {}  # by the target's table and the row's number

    @property
    def kept(self) -> bool:
        """Whether rows that do not fit are kept, rather than stopping everything."""
        return self._options.on_reject == FILE

    @property
    def counts(self) -> Mapping[str, int]:
        return {table: len(rows) for table, rows in self._rows.items()}

    def numbers(self, table: str) -> frozenset[int]:
        """The rows of a table that do not fit."""
        return frozenset(self._rows.get(table, ()))

    def add(self, table: str, number: int, why: str) -> None:
        """A row that does not fit. Raises OperationFailed when it stops the load, or when there are too many."""
        if not self.kept:
            raise refused(table, number, why)
        rows = self._rows.setdefault(table, {})
        rows[number] = why
        if sum(self.counts.values()) > self._options.reject_limit:
            raise OperationFailed(
                "too_many_rejects",
                f"More than {self._options.reject_limit:,} rows do not fit; the last, row {number} of {table}: {why}.",
                f"{AGAIN} Look whether the document belongs to this database.",
            )

    def finish(self, document: Document, survey: Survey) -> StoredObject | None:
        """Publish the rows that did not fit; None when all did."""
        if not self._rows:
            return None
        assert self._place is not None  # without one nothing is kept
        with ArchiveWriter(self._place.archive, self._place.key) as writer:
            packer = CompressingWriter(writer)
            for table, whys in self._rows.items():
                for number, row in enumerate(document.rows(survey.table(table).source), 1):
                    if number in whys:
                        head = {"table": table, "number": number, "reason": whys[number]}
                        packer.write(json.dumps(head)[:-1].encode() + b', "row": ' + encode(row) + b"}\n")
            stored = packer.finish()
            writer.publish()
        return stored


def refused(table: str, number: int | None, why: str) -> OperationFailed:
    """The error of a row that stops everything."""
    which = f"Row {number} of {table}" if number else f"A row of {table}"
    return OperationFailed(
        "row_refused",
        f"{which} cannot be loaded: {why}.",
        f"{AGAIN} Mend it in the source, or ask again with rejected rows going to a file.",
    )
