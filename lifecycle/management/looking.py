"""`backup inspect`: what files that others wrote hold, told without touching a database or keeping anything."""

from __future__ import annotations

import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from lifecycle.documents.base import refusing
from lifecycle.documents.inspecting import Inspected, gather, inspect
from opsconsole.exceptions import Usage
from opsconsole.management.console_command import ConsoleCommand, Options
from opsconsole.management.reporting import Exit, table


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files of one backup, or a folder of them")
    parser.add_argument("--identity", metavar="FILE", help="age identities that decrypt them; - for standard input")


def look(command: ConsoleCommand, options: Options) -> Exit:
    """Tell format, version, tables, rows and problems. It fails when the files cannot be used."""
    identities = _identities(options["identity"])
    with tempfile.TemporaryDirectory(prefix="opsconsole-inspect-") as workdir:
        found = inspect(gather(options["paths"]), Path(workdir), identities=identities)
    command.answer(_facts(found), _text(found))
    return Exit.FAILED if refusing(found.summary.problems) else Exit.OK


def _identities(given: str | None) -> list[str]:
    if given is None:
        return []
    if given == "-":
        return sys.stdin.read().splitlines()
    try:
        return Path(given).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Usage("no_identity", f"The identities in {given} cannot be read.", "Name an identity file.") from error


def _facts(found: Inspected) -> dict[str, Any]:
    summary = found.summary
    return {
        "format": summary.format, "label": summary.label, "version": summary.version,
        "version_name": summary.version_name, "exported_at": summary.exported_at, "engine": summary.engine,
        "rows": summary.rows,
        "tables": [{"name": t.name, "rows": t.rows, "columns": list(t.columns)} for t in summary.tables],
        "problems": [
            {"level": each.level, "code": each.code, "text": each.text, "next": each.next_step}
            for each in summary.problems
        ],
        "files": list(found.sources),
    }  # fmt: skip


def _text(found: Inspected) -> str:
    summary = found.summary
    version = "" if summary.version is None else f", version {summary.version} {summary.version_name}".rstrip()
    lines = [
        f"{summary.label}{version}",
        f"Exported at {summary.exported_at}" if summary.exported_at else "It does not say when it was exported.",
        f"Tables: {len(summary.tables)}, rows: {summary.rows}",
        *(f"{each.level.capitalize()}: {each.text} {each.next_step}".rstrip() for each in summary.problems),
    ]
    held = [(each.name, each.rows, ", ".join(each.columns)) for each in summary.tables]
    return "\n".join([*lines, "", table(("table", "rows", "columns"), held)] if held else lines)
