"""Rehearsals on the pages of operations: what was found, and as evidence of a migration."""

from __future__ import annotations

from dataclasses import dataclass

from lifecycle.models import Rehearsal
from lifecycle.rehearsing import evidence, judging, keeping
from lifecycle.rehearsing.trying import Report
from lifecycle.rehearsing.values import Recording, StatementRecord, TableRecord
from opsconsole.models import Operation
from opsconsole.pages.panels import Panel, register_panel

TEMPLATE = "lifecycle/migrations/_rehearsal.html"
SLOWEST = 12
LABELS = {"postgresql": "", "sqlite": "As SQLite", "d1": "As D1"}


@dataclass(frozen=True, kw_only=True)
class TableLine:
    """One line of the table of tables; `lock` says who is kept out meanwhile."""

    record: TableRecord
    lock: str

    @property
    def words(self) -> str:
        """The sentence without the name in front."""
        return self.record.sentence.partition(": ")[2]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A recording as it is shown; `untouched` tables are folded together."""

    label: str
    recording: Recording
    touched: tuple[TableLine, ...]
    untouched: tuple[TableLine, ...]
    slowest: tuple[StatementRecord, ...]

    @property
    def locks(self) -> bool:
        """Whether any table was seen locked by itself; SQLite locks all of them at once."""
        return any(line.lock for line in (*self.touched, *self.untouched))


@dataclass(frozen=True, kw_only=True)
class Told:
    """A rehearsal as a page shows it. `as_evidence` where it stands on the page of a migration."""

    row: Rehearsal
    report: Report
    origin: str
    recordings: tuple[Shown, ...]
    as_evidence: bool = False


def told_of(row: Rehearsal, *, as_evidence: bool = False) -> Told:
    """What is shown of a rehearsal: the recording of the database's own flavour first."""
    report = keeping.report_of(row)
    found = sorted(report.recordings, key=lambda each: each.flavour != report.main)
    fresh = [report.fresh] if report.fresh else []
    return Told(
        row=row,
        report=report,
        origin=evidence.origin_words(row),
        recordings=tuple(_shown(each, fresh=each is report.fresh) for each in [*fresh, *found]),
        as_evidence=as_evidence,
    )


def of_rehearsal(operation: Operation) -> Told | None:
    """On the page of the rehearsal itself."""
    row = Rehearsal.objects.filter(pk=operation.pk).select_related("database", "backup").first()
    return told_of(row) if row else None


def of_migration(operation: Operation) -> Told | None:
    """On the page of a migration whose plan tells of one."""
    number = operation.plan.parameters.get("rehearsal")
    row = Rehearsal.objects.filter(pk=number).select_related("database", "backup").first() if number else None
    return told_of(row, as_evidence=True) if row else None


def _shown(recording: Recording, *, fresh: bool) -> Shown:
    lines = [TableLine(record=table, lock=judging.LOCKS.get(table.lock, table.lock)) for table in recording.tables]
    return Shown(
        label="On an empty database" if fresh else LABELS[recording.flavour],
        recording=recording,
        touched=tuple(line for line in lines if not line.record.untouched),
        untouched=tuple(line for line in lines if line.record.untouched),
        slowest=tuple(sorted(recording.statements, key=lambda each: (not each.failed, -each.ms))[:SLOWEST]),
    )


register_panel("rehearse", Panel(template=TEMPLATE, content=of_rehearsal))
for _kind in ("migrate", "handover", "rollback"):
    register_panel(_kind, Panel(template=TEMPLATE, content=of_migration, evidence=True))
