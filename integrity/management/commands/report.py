"""`manage.py report list|show|export NAME`: what checks of a database found."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from integrity.models import Finding, Report
from integrity.reporting import content, keeping
from integrity.reporting.setting_aside import asides_of
from integrity.reporting.standing import reports_of
from opsconsole.exceptions import OperationFailed, Usage
from opsconsole.management.console_command import ConsoleCommand, Options
from opsconsole.management.reporting import Exit, address_of, table
from opsconsole.models import Database
from opsconsole.permissions import can

SHOWN = 200  # findings
SIGNS = {"critical": "CRITICAL", "warning": "WARNING", "info": "TO KNOW"}


class Command(ConsoleCommand):
    help = "List the reports of a database's checks, read one, or have it as a file."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = self.verbs(parser)
        listing = self.verb(verbs, "list", self.list, "the newest reports of a database")
        listing.add_argument("name", help="the database")
        listing.add_argument("--limit", type=int, default=20, metavar="N")
        self._one(self.verb(verbs, "show", self.show, "what one report found, the worst first"))
        exporting = self.verb(verbs, "export", self.export, "one report as a file: JSON, CSV or XLSX")
        self._one(exporting)
        exporting.add_argument("--format", default="json", metavar="FORMAT", help="json (the default), csv or xlsx")
        exporting.add_argument("--output", required=True, metavar="PATH", help="the file to write, which must be new")

    def list(self, options: Options) -> Exit:
        database = self.database_called(options["name"])
        rows = reports_of(database)[: max(1, options["limit"])]
        cells = [
            (row.pk, f"{row.finished_at:%Y-%m-%d %H:%M}", row.looked_at, row.critical, row.warning, row.info, row.new)
            for row in rows
        ]
        text = table(("report", "at (UTC)", "looked at", "critical", "warnings", "to know", "new ones"), cells)
        self.answer({"database": database.name, "reports": [_facts(row) for row in rows]}, text)
        return Exit.OK

    def show(self, options: Options) -> Exit:
        report = self._report(options)
        findings = list(report.findings.defer("sample")[: SHOWN + 1])
        more = len(findings) > SHOWN
        told = [_told(row) for row in findings[:SHOWN]]
        facts = {**_facts(report), "findings": told, "more": more, "fixed": report.fixed, "off": report.off,
                 "sound": len(report.held)}  # fmt: skip
        self.answer(facts, "\n".join(_lines(report, findings[:SHOWN], more=more)))
        return Exit.OK

    def export(self, options: Options) -> Exit:
        from integrity.reporting import exporting

        report = self._report(options)
        samples = self.account is None or can(self.account, "see_data", report.database)
        pieces = exporting.export(report, options["format"], samples=samples)
        path = Path(options["output"])
        written = _write(path, pieces)
        self.answer({"report": report.pk, "path": str(path), "bytes": written}, f"Report {report.pk} is in {path}.")
        return Exit.OK

    def _one(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the database")
        parser.add_argument("report", nargs="?", default="latest", help="its number; the newest one without")

    def _report(self, options: Options) -> Report:
        """Raises Usage with the newest that there are."""
        database = self.database_called(options["name"])
        rows, wanted = Report.objects.filter(database=database), str(options["report"])
        if wanted == "latest":
            found = rows.first()
        else:
            found = rows.filter(pk=int(wanted)).first() if wanted.isdecimal() and len(wanted) < 19 else None
        if found is None:
            newest = f"{database.name} was never checked." if wanted == "latest" else ""
            why = newest or f"There is no report {wanted} of {database.name}."
            raise Usage("unknown_report", why, _there(database))
        return found


def _write(path: Path, pieces: Iterable[bytes]) -> int:
    """How many bytes; a file that could not be written whole is not left behind. Raises OperationFailed."""
    written = 0
    try:
        with path.open("xb") as file:
            try:
                for piece in pieces:
                    written += file.write(piece)
            except BaseException:
                path.unlink()
                raise
    except OSError as error:
        raise OperationFailed(
            "cannot_write", f"{path} cannot be written: {error.strerror}.", "Name a new file in a folder of yours."
        ) from error
    return written


def _there(database: Database) -> str:
    newest = ", ".join(map(str, reports_of(database).values_list("pk", flat=True)[:10]))
    return f"The newest are: {newest}." if newest else f"Ask for one: manage.py operate check {database.name} --wait"


def _facts(row: Report) -> dict[str, Any]:
    return {
        "report": row.pk, "database": row.database.name, "at": row.finished_at, "mode": row.mode,
        "category": row.category, "rule": row.rule, "critical": row.critical, "warning": row.warning, "info": row.info,
        "new": row.new, "new_critical": row.new_critical, "stands": row.open_critical > 0,
        "open": {"critical": row.open_critical, "warning": row.open_warning, "info": row.open_info},
        "content": row.content_sha256, "url": address_of(row.get_absolute_url()),
    }  # fmt: skip


def _told(row: Finding) -> dict[str, Any]:
    row.sample = None  # rows are in the export, for those who may look at data
    return {name: value for name, value in content.told(row).items() if name != "sample"}


def _asked(report: Report, row: Finding, proposal: dict[str, Any]) -> str:
    """The command that asks for a proposal."""
    action = f" --set action={proposal['action']}" if len(row.proposals) > 1 else ""
    return f"manage.py operate fix {report.database.name} --set report={report.pk} --set finding={row.slug}{action}"


def _lines(report: Report, findings: list[Finding], *, more: bool) -> list[str]:
    lines = [f"Report {report.pk} of {report.database.name}, {report.finished_at:%Y-%m-%d %H:%M} UTC:"]
    lines.append(f"it looked at {report.looked_at}, and found {keeping.words(report)}.")
    for row in findings:
        state = "not looked at" if row.failed else "new" if row.is_new else f"since {row.since:%Y-%m-%d}"
        lines += ["", f"{SIGNS[row.severity]} ({row.category}, {state}): {row.sentence}"]
        lines += [f"  Why it matters: {row.why}"] if row.why else []
        lines += [f"  What next: {row.next_step}"] if row.next_step else []
        lines += [f"  {each['words']}: {_asked(report, row, each)}" for each in row.proposals]
    lines += ["", "There are more; export the report to have all."] if more else []
    lines += ["", *(f"FIXED: {each['sentence']}" for each in report.fixed)] if report.fixed else []
    asides = asides_of(report)
    lines += ["", *(f"SWITCHED OFF: {each.sentence}" for each in asides)] if asides else []
    return [*lines, "", f"{len(report.held)} looked at and sound.", address_of(report.get_absolute_url())]
