"""Documents in one JSON file: `{..., "tables": {"users": [rows], ...}}`, by Ignition and by Tasklets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from lifecycle.documents.base import Row
from lifecycle.documents.readers.json_shapes import Shape, moment, rows_in, shape_of
from lifecycle.documents.readers.json_stream import JsonStream
from lifecycle.documents.reading import Findings, Heading, Reader, SourceFile
from lifecycle.documents.values import revive
from opsconsole.exceptions import OperationFailed

TABLES = "tables"
IGNITION_TIMES = ("createdAt", "exportedAt", "timestamp")
TASKLETS_TABLES = (
    "tenants", "clients", "users", "products", "clientProducts", "userProducts", "epics", "features", "devTasks",
    "sprints", "tickets", "teams", "ideas", "tags", "aiConfigs", "apiKeys",
)  # fmt: skip


class JsonDocument(Reader):
    """What both have in common: scalars that head the file, and an object of tables."""

    engine: ClassVar[str]

    @abstractmethod
    def fits(self, shape: Shape) -> bool:
        """Whether a file that is an object begins as this format does."""

    @abstractmethod
    def heading(self, said: Mapping[str, Any]) -> Heading: ...

    @abstractmethod
    def judge(self, said: Mapping[str, Any], counts: Mapping[str, int], findings: Findings) -> None:
        """Tell what the file as a whole is worth; `counts` are its rows by table."""

    def recognises(self, files: Sequence[SourceFile]) -> bool:
        shape = shape_of(files[0]) if len(files) == 1 else None
        return shape is not None and not shape.is_list and self.fits(shape)

    def rows(self, files: Sequence[SourceFile], findings: Findings) -> Iterator[tuple[str, Row | None]]:
        said: dict[str, Any] = {}
        counts: dict[str, int] = {}
        has_tables = False
        with files[0].open() as stream:
            text = JsonStream(stream)
            for key in text.fields():
                if key == TABLES and text.peek() == "{":
                    has_tables, findings.heading = True, self.heading(said)
                    yield from _tables(text, counts)
                else:
                    said[key] = text.value()
            text.finish()
        findings.heading = self.heading(said)
        if has_tables:
            self.judge(said, counts, findings)
        else:
            findings.refuse("no_tables", "The document has no tables.", "Use another one: this holds no data.")


class Ignition(JsonDocument):
    """`{"version": 14, "versionName", "createdAt" or "exportedAt", "createdBy", "tables"}`; columns as in D1.

    Our own portable document looks the same once another program has written it anew, so its special values count.
    """

    name = "ignition-json"
    label = "Ignition JSON"
    engine = "sqlite"

    def fits(self, shape: Shape) -> bool:
        names_itself = bool({"versionName", *IGNITION_TIMES} & shape.said.keys())
        return _is_version(shape.said.get("version")) and (names_itself or shape.first in ("", TABLES))

    def heading(self, said: Mapping[str, Any]) -> Heading:
        version = said.get("version")
        return Heading(
            version=version if _is_version(version) else None,
            version_name=str(said.get("versionName") or ""),
            exported_at=next((at for name in IGNITION_TIMES if (at := moment(said.get(name)))), ""),
            engine=self.engine,
        )

    def judge(self, said: Mapping[str, Any], counts: Mapping[str, int], findings: Findings) -> None:
        if not said["version"]:
            findings.refuse("no_version", "The document's version is 0, which its writer never gives.", "Use another.")
        if empty := [table for table, rows in counts.items() if not rows]:
            findings.note(
                "empty_or_unread",
                f"Without rows: {_listed(empty)}. The writer also leaves a table empty when it could not read it.",
                "Compare with what you expect of these tables.",
            )

    def rows(self, files: Sequence[SourceFile], findings: Findings) -> Iterator[tuple[str, Row | None]]:
        for table, row in super().rows(files, findings):
            yield table, row if row is None else _revived(row, table)


class Tasklets(JsonDocument):
    """`{"timestamp", "version": "1.0", "tables"}` with the property names of its code, which are camelCase."""

    name = "tasklets-json"
    label = "Tasklets JSON"
    engine = "postgresql"

    def fits(self, shape: Shape) -> bool:
        is_headed = isinstance(shape.said.get("version"), str) and bool(moment(shape.said.get("timestamp")))
        return is_headed and (shape.first, shape.opens) in ((TABLES, "{"), ("", ""))

    def heading(self, said: Mapping[str, Any]) -> Heading:
        return Heading(exported_at=moment(said.get("timestamp")), engine=self.engine)

    def judge(self, said: Mapping[str, Any], counts: Mapping[str, int], findings: Findings) -> None:
        if absent := [table for table in TASKLETS_TABLES if table not in counts]:
            findings.warn(
                "table_absent",
                f"Not in it: {_listed(absent)}. The writer leaves a table out when it could not read it.",
                "Restore these from elsewhere, or leave them as they are.",
            )


def _tables(text: JsonStream, counts: dict[str, int]) -> Iterator[tuple[str, Row | None]]:
    for table in text.fields():
        counts[table] = 0
        yield table, None
        for row in rows_in(text, table):
            counts[table] += 1
            yield table, row


def _revived(row: Row, table: str) -> Row:
    try:
        return revive(row)
    except ValueError as error:
        raise OperationFailed("unreadable", f"A row of {table} holds a value that is none ({error}).") from error


def _is_version(value: object) -> bool:
    return type(value) is int  # and no bool


def _listed(tables: Sequence[str]) -> str:
    shown = ", ".join(tables[:20])
    return shown if len(tables) <= 20 else f"{shown} and {len(tables) - 20} more"
