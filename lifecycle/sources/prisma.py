"""Prisma's migrations: one folder each, and a ledger that remembers also what failed.

Seen with prisma 6.19. Each script is one simple query on PostgreSQL, and statement after statement on SQLite; its row
is written before it and finished after it, so that a failure, or a crash, leaves a row that stops every later run until
somebody has said whether it counts as applied or as rolled back.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from lifecycle.sources import prisma_ledger, reading
from lifecycle.sources.acts import Act, Phase, Unit
from lifecycle.sources.base import Entry, Folder, Ledger, Migration, Place, Refusal, Row, Source, State
from lifecycle.sources.files import text_of
from lifecycle.sources.locale_order import in_locale_order
from lifecycle.sources.prisma_config import configured
from lifecycle.sources.prisma_ledger import Writer, counts
from opsconsole.engines.scripting import Script
from opsconsole.exceptions import Refused

LOCK_FILE, FILE = "migration_lock.toml", "migration.sql"
ADVISORY_LOCK = 72707369
_PROVIDER = re.compile(r"""^\s*provider\s*=\s*["']([^"']*)["']""", re.MULTILINE)
_PROVIDERS = {"postgresql": frozenset({"postgresql", "postgres"}), "sqlite": frozenset({"sqlite"})}
_MISSING = "missing"


class Prisma(Source):
    """`schema` is its option: the one that the project's database URL names (`?schema=`)."""

    name: ClassVar[str] = "prisma"
    label: ClassVar[str] = "Prisma"
    engines: ClassVar[frozenset[str]] = frozenset({"postgresql", "sqlite"})
    foreign_keys: ClassVar[bool | None] = True  # its SQLite drivers enforce them
    transactional: ClassVar[bool] = False  # on SQLite, what stands before a failing statement stays

    def migrations(self, folder: Folder, place: Place) -> tuple[Migration, ...]:
        _require_for(folder, place)
        names = in_locale_order({path.split("/")[0] for path in folder.files if "/" in path})
        found = []
        for name in names:
            path = f"{name}/{FILE}"
            there = path in folder.files
            text = text_of(folder, path) if there else ""
            facts = {} if there else {_MISSING: True}
            found.append(Migration(key=name, name=name, path=path, text=text, facts=facts))
        return tuple(found)

    def ledger(self, script: Script, place: Place, options: Mapping[str, str]) -> Ledger:
        return prisma_ledger.read(script, place, options)

    def compare(self, migrations: Sequence[Migration], ledger: Ledger) -> tuple[Entry, ...]:
        of_name: dict[str, list[Row]] = {}
        for row in ledger.rows:
            of_name.setdefault(row.key, []).append(row)
        applied = {name for name, rows in of_name.items() if any(counts(row) for row in rows)}
        known = [_entry(each, of_name.get(each.name, []), migrations, applied) for each in migrations]
        names = {each.name for each in migrations}
        gone = [_stranger(rows) for name, rows in of_name.items() if name not in names]
        return reading.merged(known, gone, ledger.rows)

    def refusals(self, entries: Sequence[Entry], ledger: Ledger) -> list[Refusal]:
        found = prisma_ledger.foreign(ledger)
        if failed := [entry.name for entry in entries if entry.state is State.HALF]:
            found.append(
                (
                    "migration_failed",
                    f"{', '.join(failed)} began and did not finish (P3009): Prisma runs nothing until that is settled.",
                    "See what of it stands in the database; then finish it by hand and mark it as applied, or take it"
                    " back and mark it as rolled back.",
                )
            )
        if not ledger.exists and ledger.facts.get(prisma_ledger.OTHERS):
            found.append(
                (
                    "database_not_empty",
                    f"The database holds tables and no {ledger.table} (P3005): Prisma does not run on it.",
                    "Mark the migrations whose work stands in it already as applied (a baseline), then migrate.",
                )
            )
        return found

    def apply(
        self, pending: Sequence[Migration], ledger: Ledger, place: Place, options: Mapping[str, str]
    ) -> tuple[Unit, ...]:
        """Raises Refused for a folder without its file; what stands before it can be applied with to=."""
        for migration in pending:
            _require_file(migration)
        writer, create = Writer(ledger, place, options), prisma_ledger.created(ledger, place, options)
        return tuple(_applied(each, () if number else create, writer) for number, each in enumerate(pending))

    def mark(self, migration: Migration, ledger: Ledger, place: Place, options: Mapping[str, str]) -> Unit:
        """Failed rows of it are rolled back in the same go. Raises Refused for one that is applied already."""
        _require_file(migration)
        rows = [row for row in ledger.rows if row.key == migration.key]
        if any(counts(row) for row in rows):
            raise Refused(
                "already_applied",
                f"{migration.name} is recorded as applied already (P3008).",
                "There is nothing to mark.",
            )
        writer = Writer(ledger, place, options)
        acts = (*(writer.rolled_back(row) for row in rows if row.failed), writer.recorded(migration))
        return Unit(
            title=f"Mark {migration.name} as applied",
            migrations=(migration.key,),
            direction="none",
            always=prisma_ledger.created(ledger, place, options),
            phases=(Phase(transaction=True, acts=acts),),
        )

    def forget(self, entry: Entry, ledger: Ledger, place: Place, options: Mapping[str, str]) -> Unit:
        """A failed one becomes rolled back. To forget an applied one is nothing that Prisma itself would do."""
        rows = [row for row in ledger.rows if row.key == entry.key]
        failed = [row for row in rows if row.failed]
        applied = [row for row in rows if counts(row)]
        writer = Writer(ledger, place, options)
        if not failed and not applied:
            raise Refused(
                "not_applied",
                f"{entry.name} is neither applied nor failed (P3011, P3012).",
                "There is nothing to forget; the next run applies it.",
            )
        acts = [writer.rolled_back(row) for row in failed] or [writer.deleted(row) for row in applied]
        outside = f"Delete the row of {entry.name}, for which Prisma has no command of its own"
        return Unit(
            title=f"Mark {entry.name} as rolled back" if failed else outside,
            migrations=(entry.key,),
            direction="none",
            phases=(Phase(transaction=True, acts=tuple(acts)),),
        )

    def locks(self, place: Place, options: Mapping[str, str]) -> tuple[Act, ...]:
        """Prisma's advisory lock; and where its URL names another schema, that as the whole search path."""
        if place.engine != "postgresql":
            return ()
        lock = Act(sql=f"SELECT pg_advisory_lock({ADVISORY_LOCK})")
        if prisma_ledger.schema(options) == prisma_ledger.SCHEMA:
            return (lock,)
        return (Act(sql=f"SET search_path = {reading.quoted(prisma_ledger.schema(options))}"), lock)

    def configured(self, project: Folder) -> Sequence[Mapping[str, str]]:
        return configured(project)

    def remarks(self, migrations: Sequence[Migration], place: Place) -> list[tuple[str, str]]:
        return [
            (each.key, f"Prisma stops here (P3015): {each.path} is missing.")
            for each in migrations
            if _MISSING in each.facts
        ]


def _applied(migration: Migration, always: tuple[Phase, ...], writer: Writer) -> Unit:
    script = Act(sql=migration.text, script=True, migration=migration.key)
    return Unit(
        title=f"Apply {migration.name}",
        migrations=(migration.key,),
        always=always,
        phases=(Phase(acts=(writer.begun(migration), script, *writer.finished())),),
        failed=(Phase(acts=(writer.failed(),)),),
    )


def _entry(migration: Migration, rows: Sequence[Row], migrations: Sequence[Migration], applied: set[str]) -> Entry:
    if failed := [row for row in rows if row.failed]:
        return Entry(state=State.HALF, sentence=_failure(failed[-1]), migration=migration, row=failed[-1])
    if done := [row for row in rows if counts(row)]:
        return _done(migration, done[-1])
    if _MISSING in migration.facts:
        said = f"Not applied, and {migration.path} is missing: Prisma stops here (P3015)."
        return Entry(state=State.PENDING, sentence=said, migration=migration)
    if rows:
        said = "Marked as rolled back; `prisma migrate deploy` applies it again, although `status` does not say so."
        return Entry(state=State.UNDONE, sentence=said, migration=migration, row=rows[-1])
    said = "Not applied yet."
    if later := reading.late(migration, migrations, applied):
        said = f"Not applied, although {later} behind it is. Prisma applies it all the same."
    return Entry(state=State.PENDING, sentence=said, migration=migration)


def _done(migration: Migration, row: Row) -> Entry:
    how = f"Applied{reading.told(row.applied_at)}"
    if row.raw.get("applied_steps_count") == 0:
        how = f"Marked as applied{reading.told(row.applied_at)}, without being run"
    if row.checksum in _checksums(migration.text):
        return Entry(state=State.APPLIED, sentence=f"{how}.", migration=migration, row=row)
    said = f"{how}; {migration.path} is missing now. Prisma does not mind."
    if _MISSING not in migration.facts:
        said = f"{how}, and its file is another one now: the checksums differ. Only `prisma migrate dev` minds."
    return Entry(state=State.EDITED, sentence=said, migration=migration, row=row)


def _checksums(text: str) -> set[str]:
    """Of a text as it is, and with either kind of line ends, which Prisma takes for the same file."""
    unix = text.replace("\r\n", "\n")
    return {hashlib.sha256(each.encode()).hexdigest() for each in (text, unix, unix.replace("\n", "\r\n"))}


def _failure(row: Row) -> str:
    began = reading.moment(row.raw["started_at"])
    logs = " ".join(str(row.raw.get("logs") or "").split())[:300]
    said = f": {logs}" if logs else " without a word of why, as after a crash."
    return f"Begun{reading.told(began)} and not finished{said}"


def _stranger(rows: Sequence[Row]) -> Entry:
    if failed := [row for row in rows if row.failed]:
        return Entry(state=State.HALF, sentence=_failure(failed[-1]), row=failed[-1])
    if done := [row for row in rows if counts(row)]:
        said = f"Applied{reading.told(done[-1].applied_at)}; the folder has no such migration. Prisma does not mind."
        return Entry(state=State.UNKNOWN, sentence=said, row=done[-1])
    return Entry(
        state=State.UNKNOWN, sentence="Rolled back; the folder has no such migration.", row=rows[-1]
    )  # fmt: skip


def _require_for(folder: Folder, place: Place) -> None:
    """Raises Refused for a folder that is for another kind of database."""
    if place.d1:
        raise Refused(
            "prisma_on_d1",
            "Prisma does not migrate D1: its own guide lets wrangler apply the files.",
            "Put the SQL into a folder of wrangler, and use tool=wrangler.",
        )
    found = _PROVIDER.search(folder.files.get(LOCK_FILE, b"").decode(errors="replace"))
    if found and found[1] not in _PROVIDERS[place.engine]:
        raise Refused(
            "other_provider",
            f"{LOCK_FILE} says that the folder is for {found[1]}, and this database is {place.engine} (P3019).",
            "Bring the folder that was made for this database.",
        )


def _require_file(migration: Migration) -> None:
    if _MISSING in migration.facts:
        raise Refused(
            "file_missing",
            f"{migration.path} is missing, and Prisma stops at such a folder (P3015).",
            "Bring the file back or take the folder away; what stands before it can be applied with to=.",
        )
