"""`manage.py migrations status|validate|history NAME`: a folder of migrations beside a database; nothing is changed."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from lifecycle.migrating import folders
from lifecycle.migrating.expecting import Missing
from lifecycle.migrating.recognising import recognise
from lifecycle.migrating.status import Line, Status, status_of, validate
from lifecycle.models import MigrationRun
from opsconsole.databases import engine_for
from opsconsole.engines.base import Engine
from opsconsole.management.console_command import ConsoleCommand, Options
from opsconsole.management.reporting import Exit, address_of, table

RUNS = 20


class Command(ConsoleCommand):
    help = "Tell how a folder of migrations stands to a database, whether its tables are there, and what was run."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = self.verbs(parser)
        looking = self.verb(
            verbs, "status", self.status, "files against ledger; exits 1 when something is pending or wrong"
        )
        _of_a_folder(looking)
        checking = self.verb(
            verbs, "validate", self.validate, "tables and indexes of the applied files; exits 1 when a table is missing"
        )
        _of_a_folder(checking)
        telling = self.verb(verbs, "history", self.history, "what the console ran, newest first")
        telling.add_argument("database")
        telling.add_argument("--last", type=int, default=RUNS, metavar="N", help=f"how many (default: {RUNS})")

    def status(self, options: Options) -> Exit:
        _, status = self._look(options)
        self.answer(status_facts(status), _status_text(status))
        return Exit.OK if status.well else Exit.FAILED

    def validate(self, options: Options) -> Exit:
        engine, status = self._look(options)
        missing = validate(engine, status)
        self.answer(_missing_facts(status, missing), _missing_text(missing))
        if missing.indexes:
            self.warn(f"Indexes that are not there: {', '.join(missing.indexes)}.")
        return Exit.FAILED if missing.tables else Exit.OK

    def history(self, options: Options) -> Exit:
        database = self.database_called(options["database"])
        rows = MigrationRun.objects.filter(database=database).select_related("operation")[: max(options["last"], 0)]
        cells = [
            (
                f"{run.began_at:%Y-%m-%d %H:%M:%S}", run.name, run.direction, run.get_state_display(), run.tool,
                "" if run.seconds is None else f"{run.seconds:.2f} s", f"operation {run.operation_id}",
            )
            for run in rows
        ]  # fmt: skip
        headings = ("began at (UTC)", "migration", "way", "state", "tool", "took", "by")
        text = table(headings, cells) if cells else f"The console has run no migrations of {database.name}."
        self.answer({"database": database.name, "runs": [run_facts(run) for run in rows]}, text)
        return Exit.OK

    def _look(self, options: Options) -> tuple[Engine, Status]:
        """The folder that was named, or else the one that was brought last, beside the database."""
        database = self.database_called(options["database"])
        engine = engine_for(database)
        if options["folder"]:
            said, brought = options["folder"], folders.read_path(Path(options["folder"]))
        else:
            row = folders.find(database, "")
            said, brought = f"{row.name} (number {row.pk})", folders.open_folder(row)
        subject = recognise(database, engine, brought, tool=options["tool"], path=options["path"], said=said)
        return engine, status_of(engine, subject)


def status_facts(status: Status) -> dict[str, Any]:
    """What `--json` says of a status."""
    return {
        "database": status.subject.database.name,
        "tool": status.subject.source.name,
        "because": status.subject.because,
        "folder": status.subject.brought,
        "ledger": status.seen.ledger.table,
        "ledger_exists": status.seen.ledger.exists,
        "well": status.well,
        "counts": {str(state): count for state, count in status.counts.items()},
        "stops": [{"code": code, "why": why, "next": then} for code, why, then in status.refusals],
        "migrations": [_line_facts(status, line) for line in status.lines],
    }


def run_facts(run: MigrationRun) -> dict[str, Any]:
    """What `--json` says of a run."""
    return {
        "migration": run.name, "key": run.key, "tool": run.tool, "direction": run.direction, "state": run.state,
        "began_at": run.began_at, "finished_at": run.finished_at, "seconds": run.seconds, "sha256": run.sha256,
        "rows": run.rows, "error": run.error, "operation": run.operation_id,
        "url": address_of(run.operation.get_absolute_url()),
    }  # fmt: skip


def _of_a_folder(parser: ArgumentParser) -> None:
    parser.add_argument("database")
    parser.add_argument("--folder", default="", metavar="PATH", help="a folder, zip or tar (default: brought last)")
    parser.add_argument("--tool", default="", metavar="KIND", help="whose migrations they are, when it is not clear")
    parser.add_argument("--path", default="", metavar="SUB", help="the folder of migrations within a repository")


def _line_facts(status: Status, line: Line) -> dict[str, Any]:
    row, run = line.entry.row, line.run
    return {
        "key": line.entry.key, "name": line.name, "path": line.path, "state": str(line.state),
        "sentence": line.sentence, "next": line.next_step, "applied_at": line.applied_at, "by": line.by,
        "drift": line.drift, "row": dict(row.raw) if row else None, "operation": run.operation_id if run else None,
        "sha256": line.entry.migration.sha256 if line.entry.migration else None,
        "remarks": list(status.remarks.get(line.entry.key, ())),
    }  # fmt: skip


def _status_text(status: Status) -> str:
    cells = [(line.name, line.state, _clock(line), line.by, line.sentence) for line in status.lines]
    lines = [
        f"{status.sentence} {status.subject.because}",
        f"Folder {status.subject.brought}; ledger {status.seen.ledger.table}"
        + ("" if status.seen.ledger.exists else ", which is not there yet"),
        *(f"Stops: {why} {then}" for _, why, then in status.refusals),
    ]
    if cells:
        lines += ["", table(("migration", "state", "applied at (UTC)", "by", "what that means"), cells)]
    for line in status.lines:
        lines += [f"{line.name}: {remark}" for remark in status.remarks.get(line.entry.key, ())]
    return "\n".join(lines)


def _clock(line: Line) -> str:
    return f"{line.applied_at:%Y-%m-%d %H:%M:%S}" if line.applied_at else ""


def _missing_facts(status: Status, missing: Missing) -> dict[str, Any]:
    return {
        "database": status.subject.database.name,
        "tool": status.subject.source.name,
        "valid": not missing.tables,
        "expected_tables": missing.expected_tables,
        "missing_tables": list(missing.tables),
        "expected_indexes": missing.expected_indexes,
        "missing_indexes": list(missing.indexes),
        "unread_statements": missing.unread,
    }


def _missing_text(missing: Missing) -> str:
    lines = [
        f"{missing.expected_tables - len(missing.tables)} of {missing.expected_tables} tables and"
        f" {missing.expected_indexes - len(missing.indexes)} of {missing.expected_indexes} indexes that the applied"
        " migrations make are there."
    ]
    if missing.tables:
        lines.append(f"Tables that are not there: {', '.join(missing.tables)}.")
    if missing.unread:
        lines.append(f"Statements whose effect their text does not tell (DO, CALL): {missing.unread}.")
    return "\n".join(lines)
