"""Sources whose ledger has one row for each applied migration, found by its key: what they have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from lifecycle.sources import reading
from lifecycle.sources.acts import Act, Phase, Unit
from lifecycle.sources.base import Entry, Ledger, Migration, Place, Refusal, Row, Source, State
from opsconsole.engines.scripting import Script
from opsconsole.exceptions import Refused


class Keyed(Source):
    """`required` are the columns without which a table is no ledger of this tool."""

    required: ClassVar[frozenset[str]]
    order: ClassVar[str]  # the column in whose order rows are read
    goes_on: ClassVar[str]  # "Wrangler applies it all the same.": of a file that comes too late
    minds_not: ClassVar[str] = ""  # of a row without a file, where the tool goes on

    @abstractmethod
    def table(self, options: Mapping[str, str]) -> str:
        """The ledger's name, with its schema where the options give one. Raises Usage for one that cannot be."""

    @abstractmethod
    def row(self, raw: Mapping[str, Any]) -> Row:
        """A row as it was read, `raw` still with the vendor's own values."""

    @abstractmethod
    def created(self, ledger: Ledger, place: Place, options: Mapping[str, str]) -> tuple[Phase, ...]:
        """What makes the ledger; nothing where it exists."""

    @abstractmethod
    def marked(self, migration: Migration, options: Mapping[str, str]) -> Act:
        """The row of a migration that was not run."""

    @abstractmethod
    def deleted(self, key: str, options: Mapping[str, str]) -> Act: ...

    def ledger(self, script: Script, place: Place, options: Mapping[str, str]) -> Ledger:
        table = self.table(options)
        names = reading.columns(script, table)
        known = Ledger(table=table, exists=bool(names), facts={"columns": list(names)})
        if not self.required <= set(names):
            return known
        order = f"ORDER BY {reading.quoted(self.order)}" if self.order in names else ""
        rows = tuple(self.row(raw) for raw in reading.rows(script, table, names, order))
        return Ledger(table=table, exists=True, rows=rows, facts=known.facts)

    def compare(self, migrations: Sequence[Migration], ledger: Ledger) -> tuple[Entry, ...]:
        of_key = {row.key: row for row in ledger.rows}
        files = {migration.key for migration in migrations}
        known = [self.entry(each, of_key.get(each.key), migrations, set(of_key)) for each in migrations]
        strangers = (row for row in ledger.rows if row.key not in files)
        gone = [Entry(state=State.UNKNOWN, row=row, sentence=self._gone(row)) for row in strangers]
        return reading.merged(known, gone, ledger.rows)

    def entry(self, migration: Migration, row: Row | None, every: Sequence[Migration], applied: set[str]) -> Entry:
        """What is said of one migration of the folder, with its row or without."""
        if row and row.failed:
            said = f"Begun{reading.told(row.applied_at)} and not finished; {self.label} waits until that is resolved."
            return Entry(state=State.HALF, sentence=said, migration=migration, row=row)
        if row and self.differs(migration, row):
            said = f"Applied{reading.told(row.applied_at)}, but the file's checksum is another one now."
            return Entry(state=State.EDITED, sentence=said, migration=migration, row=row)
        if row:
            said = f"Applied{reading.told(row.applied_at)}."
            return Entry(state=State.APPLIED, sentence=said, migration=migration, row=row)
        later = reading.late(migration, every, applied)
        said = f"Not applied, although {later} behind it is. {self.goes_on}" if later else "Not applied yet."
        return Entry(state=State.PENDING, sentence=said, migration=migration)

    def differs(self, migration: Migration, row: Row) -> bool:
        """Whether the file is not the one that was applied, by the tool's own checksum."""
        return False

    def refusals(self, entries: Sequence[Entry], ledger: Ledger) -> list[Refusal]:
        missing = self.required - set(ledger.facts.get("columns", self.required))
        if not ledger.exists or not missing:
            return []
        return [
            (
                "ledger_foreign",
                f"{ledger.table} is no ledger of {self.label}: it has no column {', '.join(sorted(missing))}.",
                "Name the right tool with tool=, or the ledger in the tool's configuration.",
            )
        ]

    def mark(self, migration: Migration, ledger: Ledger, place: Place, options: Mapping[str, str]) -> Unit:
        if any(row.key == migration.key for row in ledger.rows):
            raise Refused("already_applied", f"{migration.name} is in the ledger.", "There is nothing to mark.")
        return Unit(
            title=f"Mark {migration.name} as applied",
            migrations=(migration.key,),
            direction="none",
            always=self.created(ledger, place, options),
            phases=(Phase(transaction=True, acts=(self.marked(migration, options),)),),
        )

    def forget(self, entry: Entry, ledger: Ledger, place: Place, options: Mapping[str, str]) -> Unit:
        if entry.row is None:
            raise Refused("not_applied", f"{entry.name} is not in the ledger.", "There is nothing to forget.")
        return Unit(
            title=f"Forget {entry.name}",
            migrations=(entry.key,),
            direction="none",
            phases=(Phase(transaction=True, acts=(self.deleted(entry.key, options),)),),
        )

    def _gone(self, row: Row) -> str:
        failed = "Begun and not finished" if row.failed else f"Applied{reading.told(row.applied_at)}"
        return f"{failed}; the folder has no such file. {self.minds_not}".strip()
