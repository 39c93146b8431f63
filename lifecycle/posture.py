"""What backups, drills, kept copies and retention say about how a database, and the console, stands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, OuterRef, Subquery

from lifecycle.encryption import recipients
from lifecycle.models import Backup, BackupCopy, KeptCopy, Recipient, RetentionPass, RetentionStop
from lifecycle.proving import drills
from lifecycle.restores import kept, offers
from opsconsole import kinds
from opsconsole.clock import now
from opsconsole.models import Database, Operation
from opsconsole.posture import Level, Line
from opsconsole.states import State
from opsconsole.templatetags.console import clock

TARGET_AGE = timedelta(hours=24)  # how old the newest good backup of a protected database may be
TARGET_AGE_OTHERS = timedelta(days=7)
DRILL_AGE = timedelta(days=30)  # how old the last drill of a protected database may be
MIGRATING = ("migrate", "rollback", "resolve")
ENDED = (State.SUCCEEDED, State.FAILED)
MIGRATIONS_TOLD = timedelta(days=30)
DAMAGE_TOLD = timedelta(days=30)  # how long an older backup that turned out to be damaged is told of


def read(databases: Sequence[Database]) -> dict[int, list[Line]]:
    """The age of the newest good backup, the last drill, and damage that somebody should know of."""
    good, bad, drilled = _newest(databases), _damaged(databases), _drilled(databases)
    at = now()
    lines = {}
    for database in databases:
        newest = good.get(database.pk)
        found = [
            _age(database, newest, at),
            _drill(database, newest, drilled.get(database.pk), at),
            _damage(database, newest, bad.get(database.pk), at),
        ]
        lines[database.pk] = [line for line in found if line is not None]
    return lines


def target_age(database: Database) -> timedelta:
    """How old its newest good backup may become: what its people set, else what its environment has."""
    if database.target_hours:
        return timedelta(hours=database.target_hours)
    return TARGET_AGE if database.environment.protected else TARGET_AGE_OTHERS


def _age(database: Database, newest: datetime | None, at: datetime) -> Line:
    allowed = target_age(database)
    if newest is None:
        level = Level.BAD if database.environment.protected else Level.WATCH
        sentence = "There is no good backup of it, so nothing could bring its data back."
        return Line(topic="backup", level=level, sentence=sentence, **_link(database))
    if at - newest > allowed:
        level = Level.BAD if database.environment.protected or database.target_hours else Level.WATCH
        sentence = f"Its newest good backup is older than the {_span(allowed)} it should be at most."
        return Line(topic="backup", level=level, sentence=sentence, at=newest, **_link(database))
    return Line(topic="backup", level=Level.GOOD, sentence="It has a good backup that is young enough.", at=newest)


def _drill(database: Database, newest: datetime | None, last: Backup | None, at: datetime) -> Line | None:
    """When a backup was last restored to see whether that works. Nothing to say while there is no backup."""
    if last is not None and last.drilled_at is not None and last.restore_seconds is not None:
        took = drills.about(last.restore_seconds)
        if database.environment.protected and at - last.drilled_at > DRILL_AGE:
            sentence = f"Its last drill is older than the {_span(DRILL_AGE)} it should be at most (it took {took})."
            return Line(topic="drill", level=Level.WATCH, sentence=sentence, at=last.drilled_at, **_link(database))
        sentence = f"A drill restored a backup of it in {took}."
        return Line(topic="drill", level=Level.GOOD, sentence=sentence, at=last.drilled_at)
    if newest is None or not database.environment.protected:
        return None
    sentence = "No drill has restored a good backup of it, and only a restore proves a backup."
    return Line(topic="drill", level=Level.WATCH, sentence=sentence, **_link(database))


def _damage(
    database: Database, newest: datetime | None, damaged: tuple[datetime, datetime | None] | None, at: datetime
) -> Line | None:
    """`damaged` is the start of the newest damaged backup, and when damage was last found."""
    if damaged is None:
        return None
    started, found = damaged
    if newest is None or started > newest:
        level, sentence = Level.BAD, "Its newest backup is damaged."
    elif found is not None and at - found < DAMAGE_TOLD:
        level, sentence = Level.WATCH, "A backup of it turned out to be damaged; there is a newer good one."
    else:
        return None
    return Line(topic="damage", level=level, sentence=sentence, at=found or started, **_link(database))


def _drilled(databases: Sequence[Database]) -> dict[int, Backup]:
    """The good backup of each database that was drilled last."""
    rows = Backup.objects.good().exclude(drilled_at=None).order_by("-drilled_at")
    last = Subquery(rows.filter(database=OuterRef("pk")).values("pk")[:1])
    wanted = Database.objects.filter(pk__in=[database.pk for database in databases]).annotate(last=last)
    found = Backup.objects.filter(pk__in=wanted.order_by().values("last")).only(
        "database_id", "drilled_at", "restore_seconds"
    )
    return {row.database_id: row for row in found}


def _damaged(databases: Sequence[Database]) -> dict[int, tuple[datetime, datetime | None]]:
    rows = Backup.objects.present().filter(database__in=databases, state=Backup.State.BAD)
    found = rows.order_by().values_list("database").annotate(Max("started_at"), Max("damaged_at"))
    return {pk: (started, at) for pk, started, at in found}


def _newest(databases: Sequence[Database]) -> dict[int, datetime]:
    rows = Backup.objects.good().filter(database__in=databases)
    return dict(rows.order_by().values_list("database").annotate(newest=Max("started_at")))


def read_retention(databases: Sequence[Database]) -> dict[int, list[Line]]:
    """Of which database so many backups would go at once that none does."""
    rows = RetentionStop.objects.filter(database__in=databases).select_related("database")
    return {row.database_id: [_stopped(row)] for row in rows}


def _stopped(row: RetentionStop) -> Line:
    sentence = f"{row.going} of {row.of} backups would go at once by its rule, so none does until somebody agrees."
    link = f"/retention/?database={row.database.name}"
    return Line(topic="retention", level=Level.WATCH, sentence=sentence, at=row.since, link=link, link_text="Look")


def retention_of_console() -> list[Line]:
    """Whether retention goes on."""
    state = RetentionPass.objects.first()
    if state is None or state.paused_at is None:
        return []
    sentence = f"Retention is paused, and nothing is deleted: {state.paused_why}"
    return [
        Line(
            topic="retention", level=Level.WATCH, sentence=sentence, at=state.paused_at, link="/retention/",
            link_text="Look at retention",
        )
    ]  # fmt: skip


def _link(database: Database) -> dict[str, Any]:
    return {"link": f"/databases/{database.name}/backups/", "link_text": "Look at its backups"}


def _span(length: timedelta) -> str:
    hours = round(length.total_seconds() / 3600)
    return f"{hours // 24} days" if hours % 24 == 0 and hours > 24 else f"{hours} hour{'s' * (hours != 1)}"


def read_migrations(databases: Sequence[Database]) -> dict[int, list[Line]]:
    """What the last migration of each database left that somebody should look at."""
    ended = Operation.objects.filter(database__in=databases, kind__in=MIGRATING, state__in=ENDED).exclude(result={})
    told = ended.order_by().values("database").annotate(last=Max("id")).values_list("last", flat=True)
    lines = {}
    for row in Operation.objects.filter(pk__in=list(told)):
        if row.database_id and (line := _migrated(row)):
            lines[row.database_id] = [line]
    return lines


def _migrated(row: Operation) -> Line | None:
    if row.finished_at is None or now() - row.finished_at > MIGRATIONS_TOLD:
        return None
    alerts, left = row.result.get("alerts") or [], row.result.get("not_done") or ["what follows"]
    told: dict[str, Any] = {"topic": "migrations", "at": row.finished_at, "link": row.get_absolute_url()}
    told["link_text"] = f"Look at operation {row.pk}"
    if row.state == State.FAILED:
        where = f"after {row.result.get('applied', 0)} of {row.result.get('of', 0)}"
        sentence = f"The last {kinds.noun(row.kind)} stopped {where}: {left[0]} was not done."
        return Line(level=Level.BAD, sentence=sentence, **told)
    return Line(level=Level.WATCH, sentence=alerts[0], **told) if alerts else None


def read_copies(databases: Sequence[Database]) -> dict[int, list[Line]]:
    """Copies that are wanted and not there after a while, and damaged ones."""
    rows = BackupCopy.objects.filter(backup__in=Backup.objects.good().filter(database__in=databases))
    lacking: dict[int, list[BackupCopy]] = {}
    lacks = (BackupCopy.State.MISSING, BackupCopy.State.BAD)
    for row in rows.filter(state__in=lacks).select_related("backup"):
        lacking.setdefault(row.backup.database_id, []).append(row)
    return {database.pk: [_copies(database, lacking[database.pk])] for database in databases if database.pk in lacking}


def _copies(database: Database, rows: Sequence[BackupCopy]) -> Line:
    bad = [row for row in rows if row.state == BackupCopy.State.BAD]
    where = ", ".join(sorted({row.store for row in bad or rows}))
    if bad:
        sentence = f"{_number(bad)} damaged in {where}; another copy is good. Copy it there again."
    else:
        problem = next((row.problem for row in rows if row.problem), "")
        sentence = f"{_number(rows)} not in {where} yet. {problem or 'It is copied by itself.'}"
    return Line(topic="copies", level=Level.WATCH, sentence=sentence, **_link(database))


def _number(rows: Sequence[BackupCopy]) -> str:
    return f"{len(rows)} of its backups are" if len(rows) > 1 else f"Backup {rows[0].backup_id} of it is"


def read_kept(databases: Sequence[Database]) -> dict[int, list[Line]]:
    """What of each database can be undone now, and what could not be dropped in time."""
    rows = kept.copies().filter(
        state=KeptCopy.State.KEPT, database__identity__in={database.identity for database in databases} - {""}
    )
    found: dict[str, list[KeptCopy]] = {}
    for row in rows:
        found.setdefault(row.database.identity, []).append(row)
    live, at = kept.live_contents(found), now()
    return {
        database.pk: _kept_lines(database, found[database.identity], live[database.identity], at)
        for database in databases
        if database.identity in found
    }


def read_encryption(databases: Sequence[Database]) -> dict[int, list[Line]]:
    """What is wrong with the recipients of protected databases."""
    environments = {database.environment_id: database.environment for database in databases}
    rows = Recipient.objects.filter(environment__in=environments, retired_by=None)
    within: dict[int, list[Recipient]] = {number: [] for number in environments}
    for row in rows:
        within[row.environment_id].append(row)
    wrong = {
        number: recipients.warnings(environment, within[number])
        for number, environment in environments.items()
        if environment.protected
    }
    link: dict[str, Any] = {"link": "/encryption/", "link_text": "Look at the recipients"}
    return {
        database.pk: [Line(topic="encryption", level=Level.WATCH, sentence=found[0], **link)]
        for database in databases
        if (found := wrong.get(database.environment_id))
    }


def _kept_lines(database: Database, rows: Sequence[KeptCopy], live: int, at: datetime) -> list[Line]:
    lines = []
    undoable = [row for row in rows if row.made == live and row.expires_at > at]
    for row in undoable[:1]:
        link = f"/databases/{database.name}/request/undo/?operation={row.operation_id}"
        until = f"can be undone until {clock(row.expires_at)}"
        sentence = f"{offers.named(row).capitalize()} {until}: {offers.where(row)}, is kept."
        lines.append(Line(topic="undo", level=Level.GOOD, sentence=sentence, link=link, link_text=offers.act(row)))
    for row in rows:
        if row.problem:
            sentence = (
                f"The database {row.name}, kept until {clock(row.expires_at)}, could not be dropped: {row.problem}"
            )
            lines.append(Line(topic="kept", level=Level.WATCH, sentence=sentence, at=row.tried_at, **_link(database)))
    return lines
