"""Files against ledger, joined with what the console ran itself: one line a migration, and what to do next.

The console keeps the SHA-256 of every file that it applied, so that an edit is known also where the tool keeps none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from lifecycle.migrating import planning
from lifecycle.migrating.expecting import Expected, Missing
from lifecycle.migrating.planning import Seen, Subject
from lifecycle.models import MigrationRun
from lifecycle.sources.base import DONE, RUNNABLE, Entry, Ledger, Migration, Refusal, State
from opsconsole.engines.base import Engine
from opsconsole.exceptions import Refused
from opsconsole.models import Database
from opsconsole.review import dialect_of

NEXT = {
    State.APPLIED: "",
    State.PENDING: "Rehearse it, then apply it.",
    State.EDITED: "Put the file back as it was applied; a wanted change belongs into a new migration.",
    State.HALF: "Ask the doctor how far it came; then finish it, take it back, or mark it.",
    State.SKIPPED: "Give its content a new migration behind the newest one, or mark it if its effect is there already.",
    State.UNKNOWN: "Bring the folder that has its file, or mark it as not applied if nothing of it is there.",
    State.UNDONE: "Apply it again when it is wanted.",
}
TRIED = (
    "Ask the doctor what the run left, where it ran outside of a transaction (an invalid index, say); then rehearse it "
    "and apply it again."
)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One migration. `drift` is how its file stands to what was applied; `run` is the console's own, if it ran it.

    `tried` where a run of the console's began it and did not finish it.
    """

    entry: Entry
    state: State
    sentence: str
    drift: str
    by: str  # who applied it, in words; "" for what is not applied
    run: MigrationRun | None = None
    tried: bool = False

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def path(self) -> str:
        return self.entry.migration.path if self.entry.migration else ""

    @property
    def place(self) -> str:
        """Its path, where that says more than its name does."""
        return "" if self.path.startswith(self.name) and "/" not in self.path else self.path

    @property
    def applied_at(self) -> datetime | None:
        """By the ledger, or else by the console's own run."""
        row = self.entry.row
        return (row.applied_at if row else None) or (self.run.finished_at if self.run else None)

    @property
    def next_step(self) -> str:
        return TRIED if self.tried and self.state == State.PENDING else NEXT[self.state]


@dataclass(frozen=True, kw_only=True)
class Status:
    """A folder beside a database at one moment."""

    subject: Subject
    seen: Seen
    lines: tuple[Line, ...]
    refusals: Sequence[Refusal]
    remarks: Mapping[str, Sequence[str]]  # by the migration's key

    @property
    def counts(self) -> Mapping[State, int]:
        return Counter(line.state for line in self.lines)

    @property
    def pending(self) -> list[Line]:
        return [line for line in self.lines if line.state in RUNNABLE]

    @property
    def well(self) -> bool:
        """Whether everything is applied as it is written, and its tool would run; rows without files are well."""
        return not self.refusals and set(self.counts) <= {State.APPLIED, State.UNKNOWN}

    @property
    def sentence(self) -> str:
        """The whole in one sentence."""
        counted = [f"{count} {state}" for state in State if (count := self.counts.get(state, 0))]
        label, listed = self.subject.source.label, ", ".join(counted)
        return f"{label}: {listed}." if counted else f"{label}: the folder has no migrations, and the ledger no rows."


def status_of(engine: Engine, subject: Subject) -> Status:
    """Look now. Raises Refused for a folder that the tool would not take, TargetProblem."""
    seen = planning.look(engine, subject)
    runs = last_runs(subject.database, subject.source.name)
    told: dict[str, list[str]] = {}
    for key, sentence in subject.source.remarks(seen.migrations, seen.place):
        told.setdefault(key, []).append(sentence)
    return Status(
        subject=subject,
        seen=seen,
        lines=tuple(_line(entry, runs.get(entry.key), subject.source.label) for entry in seen.entries),
        refusals=subject.source.refusals(seen.entries, seen.ledger),
        remarks=told,
    )


def last_runs(database: Database, tool: str) -> dict[str, MigrationRun]:
    """By key, the last time that the console applied a migration, or tried to; not what was taken back since."""
    ended = MigrationRun.objects.filter(database=database, tool=tool).exclude(state=MigrationRun.State.RUNNING)
    last: dict[str, MigrationRun] = {}
    for run in ended.order_by("pk"):
        if run.direction == "up" or run.state == MigrationRun.State.DONE:  # a way back that failed took nothing back
            last[run.key] = run
    return {key: run for key, run in last.items() if run.direction == "up"}


def validate(engine: Engine, status: Status) -> Missing:
    """Which tables and indexes that the applied files make are not there. Raises TargetProblem."""
    expected = Expected(dialect_of(engine))
    for text in _applied_texts(status):
        expected.take(text)
    with engine.script(read_only=True) as script:
        return expected.missing(script)


def _line(entry: Entry, run: MigrationRun | None, label: str) -> Line:
    applied = entry.row is not None and entry.state in (*DONE, State.UNKNOWN)
    state, sentence, drift = entry.state, entry.sentence, ""
    tried = bool(run and run.state != MigrationRun.State.DONE and not applied)
    if run and run.state != MigrationRun.State.DONE:
        if not applied:
            ended = "failed" if run.state == MigrationRun.State.FAILED else "was lost"
            sentence = f"{sentence} Operation {run.operation_id} tried it and {ended}: {run.error or 'it says no more'}"
        run = None
    run = run if applied else None
    if entry.migration and state == State.EDITED:
        drift = "edited since, by the checksum in the ledger"
    elif entry.migration and state == State.APPLIED:
        drift = _drift(entry, run, label)
        if run and _edited(entry, run):
            state = State.EDITED
            sentence = f"{sentence} Its file is another one than operation {run.operation_id} applied."
    by = f"operation {run.operation_id}" if run else f"{label}, or by hand" if applied else ""
    return Line(entry=entry, state=state, sentence=sentence, drift=drift, by=by, run=run, tried=tried)


def _edited(entry: Entry, run: MigrationRun) -> bool:
    """By the console's own digest; where the tool keeps a checksum, its word counts."""
    own = entry.row is not None and not entry.row.checksum
    return own and entry.migration is not None and run.sha256 != entry.migration.sha256


def _drift(entry: Entry, run: MigrationRun | None, label: str) -> str:
    if entry.row and entry.row.checksum:
        return "as applied, by the checksum in the ledger"
    if run:
        edited = _edited(entry, run)
        return f"edited since operation {run.operation_id}" if edited else f"as operation {run.operation_id} applied it"
    return f"not known: {label} keeps no checksum, and the console did not apply it"


def _applied_texts(status: Status) -> list[str]:
    """What the tool ran of every applied file, in its order; whole files where it would not run them again."""
    source, seen = status.subject.source, status.seen
    applied: list[Migration] = [
        line.entry.migration for line in status.lines if line.state in DONE and line.entry.migration
    ]
    nothing = Ledger(table=seen.ledger.table, exists=False, facts=seen.ledger.facts)
    try:
        units = source.apply(applied, nothing, seen.place, status.subject.folder.options)
    except Refused:
        return [migration.text for migration in applied]
    return [act.sql for unit in units for act in unit.scripts]
