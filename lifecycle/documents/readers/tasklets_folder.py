"""The older backups of Tasklets: a folder with one list of rows a table, and a summary of what was exported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lifecycle.documents.base import Row
from lifecycle.documents.readers.json_shapes import Shape, moment, rows_at, shape_of, whole_of
from lifecycle.documents.reading import Findings, Heading, Reader, SourceFile
from opsconsole.exceptions import OperationFailed

UNREAD = -1  # the count of a table that could not be exported


class TaskletsFolder(Reader):
    """`TABLE.json` each, and `_summary.json`: `{"timestamp", "tables": [{"table", "count"}], "totalRows"}`."""

    name = "tasklets-folder"
    label = "Tasklets folder with summary"

    def recognises(self, files: Sequence[SourceFile]) -> bool:
        shapes = [shape_of(file) for file in files]
        return sum(map(_is_summary, shapes)) == 1 and all(_is_summary(s) or _is_table(s) for s in shapes)

    def rows(self, files: Sequence[SourceFile], findings: Findings) -> Iterator[tuple[str, Row | None]]:
        (summary,) = (whole_of(file) for file in files if _is_summary(shape_of(file)))
        given = {file.name.removesuffix(".json"): file for file in files if _is_table(shape_of(file))}
        findings.heading = Heading(exported_at=moment(summary.get("timestamp")), engine="sqlite")
        expected = _counts(summary)
        _judge(expected, given, summary, findings)
        for table, count in expected.items():
            if table in given and count != UNREAD:
                yield table, None
                found = 0
                for row in rows_at(given[table]):
                    found += 1
                    yield table, row
                if found != count:
                    findings.refuse(
                        "counts_differ",
                        f"{table} holds {found} rows and its summary says {count}.",
                        "Use a copy of the folder that nobody has changed.",
                    )


def _is_summary(shape: Shape | None) -> bool:
    return shape is not None and "timestamp" in shape.said and (shape.first, shape.opens) == ("tables", "[")


def _is_table(shape: Shape | None) -> bool:
    return shape is not None and shape.is_list and (shape.is_empty or bool(shape.sample))


def _counts(summary: Mapping[str, Any]) -> dict[str, int]:
    try:
        listed = [(item["table"], item["count"]) for item in summary["tables"]]
    except (KeyError, TypeError) as error:
        raise _no_summary() from error
    if not all(isinstance(table, str) and isinstance(count, int) for table, count in listed):
        raise _no_summary()
    if len(dict(listed)) != len(listed):
        raise _no_summary()
    return dict(listed)


def _judge(
    expected: Mapping[str, int], given: Mapping[str, SourceFile], summary: Mapping[str, Any], findings: Findings
) -> None:
    """What the summary alone tells of the set."""
    for table, count in expected.items():
        if count == UNREAD:
            findings.warn(
                "table_unread",
                f"{table} could not be read when this was exported, so it is left out.",
                "Restore it from elsewhere, or leave it as it is.",
            )
        elif table not in given:
            findings.refuse("file_missing", f"The file of {table} is missing.", "Give the whole folder.")
    if strangers := sorted(given.keys() - expected.keys()):
        findings.refuse(
            "file_unexpected",
            f"The summary does not know: {', '.join(strangers)}.",
            "Give the folder as it was exported.",
        )
    total = sum(count for count in expected.values() if count != UNREAD)
    if summary.get("totalRows", total) != total:
        findings.refuse("counts_differ", "The summary's total is not the sum of its tables.", "Use another copy.")


def _no_summary() -> OperationFailed:
    return OperationFailed("unreadable", "The summary of the folder is not what its writer writes.", "Fetch it again.")
