"""How the console itself stands: workers, broker, guards, audit, programs, settings. One line each, worst first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

from django.conf import settings
from django.core.checks import run_checks
from django.db import connection

from opsconsole import stores, triggers
from opsconsole.audit.reading import head
from opsconsole.clock import now
from opsconsole.engines.postgresql import tools
from opsconsole.exceptions import OperationFailed
from opsconsole.models import AuditEvent, AuditPending, Database, Store, WorkerHost
from opsconsole.posture import Level, Line
from opsconsole.stores import looking

WORKER_SILENT = timedelta(seconds=90)
SEAL_LATE = timedelta(seconds=60)
CLOCK_SECONDS = 60.0  # by which clocks may differ before somebody should look
BROKER_SECONDS = 1.0
LITTLE_SPACE = 5 << 30  # bytes free in the store below which somebody should look


def lines() -> list[Line]:
    """Everything worth knowing, worst first."""
    found = [line for reader in (*_READERS, *_ADDED) for line in reader()]
    return sorted(found, key=lambda line: -line.level)


def _workers() -> Iterator[Line]:
    at = now()
    alive = False
    for host in WorkerHost.objects.order_by("name"):
        silent = at - host.seen_at > WORKER_SILENT
        alive = alive or not silent
        queues = ", ".join(host.queues) or "no queue"
        sentence = f"The worker {host.name} {'has fallen silent' if silent else 'is alive'}; it serves {queues}."
        yield Line(topic="workers", level=Level.WATCH if silent else Level.GOOD, sentence=sentence, at=host.seen_at)
        if abs(host.clock_seconds) > CLOCK_SECONDS:
            yield _wrong_clock(host)
    if not alive:
        yield Line(
            topic="workers",
            level=Level.BAD,
            sentence="No worker is alive, so what is queued does not start. Start one: manage.py worker.",
        )


def _wrong_clock(host: WorkerHost) -> Line:
    """Leases and times come from the database's clock alone; logs, certificates and lock files do not."""
    way = "ahead of" if host.clock_seconds > 0 else "behind"
    sentence = (
        f"The clock of {host.name} is {abs(host.clock_seconds):.0f} seconds {way} that of the console's database, by "
        "which everything is timed. Set both by NTP."
    )
    return Line(topic="workers", level=Level.WATCH, sentence=sentence, at=host.seen_at)


def _broker() -> Iterator[Line]:
    """The broker only carries hints: without it things start later, never wrongly."""
    from opsconsole.celery import app  # only pages show this; every process registers readers

    address = str(app.conf.broker_url)
    if address.startswith("memory:"):
        yield Line(
            topic="broker",
            level=Level.WATCH,
            sentence="No broker is configured here: operations start when a ticker next looks, a few seconds later.",
        )
        return
    try:
        with app.connection_for_write(connect_timeout=BROKER_SECONDS) as broker:
            broker.ensure_connection(max_retries=1, interval_start=0, timeout=int(BROKER_SECONDS))
    except Exception:  # any transport may be configured; each has its own errors
        sentence = "The broker does not answer: operations start when a ticker next looks, a few seconds later."
        yield Line(topic="broker", level=Level.WATCH, sentence=sentence)
    else:
        yield Line(topic="broker", level=Level.GOOD, sentence="The broker answers.")


def _guards() -> Iterator[Line]:
    problems = triggers.problems()
    for problem in problems:
        yield Line(topic="guards", level=Level.BAD, sentence=problem)
    if not problems:
        sentence = f"The guards in the console's database are those of this version ({triggers.fingerprint()[:19]}…)."
        yield Line(topic="guards", level=Level.GOOD, sentence=sentence)
    if triggers.could_be_switched_off():
        yield _unguarded()


def _unguarded() -> Line:
    """Whoever takes the console over could switch its guards off: it owns the tables that they guard."""
    if connection.vendor == "sqlite":
        sentence = (
            "The console's own database is a file, so whoever may write to it could switch the guards off; the audit "
            "would show it. PostgreSQL with an owner role of its own prevents it."
        )
        return Line(topic="guards", level=Level.UNKNOWN, sentence=sentence)
    sentence = (
        "The console works under the role that owns its tables, so whoever takes it over could switch the guards off; "
        "the audit would show it. Name the owner in MIGRATE_DATABASE_URL, and use another role here."
    )
    return Line(topic="guards", level=Level.WATCH, sentence=sentence)


def _audit() -> Iterator[Line]:
    stands = head()
    waiting = AuditEvent.objects.filter(pk__in=AuditPending.objects.order_by("pk").values("pk")[:1]).first()
    late = waiting is not None and now() - waiting.at > SEAL_LATE
    if late and waiting is not None:
        sentence = f"{stands.pending} events wait to be sealed; a ticker does that every second."
        yield Line(topic="audit", level=Level.BAD, sentence=sentence, at=waiting.at)
    else:
        yield Line(topic="audit", level=Level.GOOD, sentence=f"{stands.seq} events are sealed.")
    if stands.checkpoint is None:
        yield Line(topic="audit", level=Level.UNKNOWN, sentence="No checkpoint of the history has been signed yet.")
    else:
        sentence = f"The newest signed checkpoint is at {stands.checkpoint.seq}."
        yield Line(topic="audit", level=Level.GOOD, sentence=sentence, at=stands.checkpoint.at)
    if stands.verdict == "tampered":
        sentence = "The last verification found that the history was tampered with."
        yield Line(topic="audit", level=Level.BAD, sentence=sentence, at=stands.verified_at)


def _store() -> Iterator[Line]:
    try:
        free = looking.within(stores.LOCAL, lambda: stores.reading(stores.LOCAL).free_bytes()) or 0
    except OperationFailed as problem:
        yield Line(topic="store", level=Level.BAD, sentence=str(problem))
    else:
        level = Level.WATCH if free < LITTLE_SPACE else Level.GOOD
        yield Line(topic="store", level=level, sentence=f"The disk of the store has {free / (1 << 30):.1f} GiB free.")
    for row in Store.objects.filter(retired_at=None).exclude(problem={}):
        sentence = f"The store {row.name} does not work: {row.problem['why']} {row.problem['next']}".strip()
        yield Line(
            topic="store", level=Level.BAD, sentence=sentence, at=row.checked_at, link="/stores/", link_text="Look"
        )


def _programs() -> Iterator[Line]:
    """PostgreSQL's client programs. Old ones are told as information: the embedded ones of the demo always are."""
    found = tools.installed()
    for each in found:
        floor = tools.SECURITY_FLOORS.get(each.major, 0)
        old = tools.below_floor(each.major, each.minor)
        sentence = f"pg_dump {each.version} in {each.folder}" + (
            f" lacks security fixes that came with {each.major}.{floor}; use it with servers that you trust."
            if old
            else "."
        )
        yield Line(topic="programs", level=Level.UNKNOWN if old else Level.GOOD, sentence=sentence)
    if not found:
        sentence = "No pg_dump was found, so PostgreSQL databases cannot be backed up from here."
        yield Line(topic="programs", level=Level.WATCH, sentence=sentence)


def _servers() -> Iterator[Line]:
    rows = Database.objects.filter(removed_at=None, engine="postgresql").exclude(server_version="")
    for database in rows.order_by("name"):
        major, _, minor = database.server_version.partition(".")
        if not (major.isdecimal() and minor.isdecimal()) or not tools.below_floor(int(major), int(minor)):
            continue
        floor = tools.SECURITY_FLOORS[int(major)]
        yield Line(
            topic="servers",
            level=Level.UNKNOWN,
            sentence=f"{database.name} runs on PostgreSQL {database.server_version}, which lacks security fixes that "
            f"came with {major}.{floor}.",
            link=database.get_absolute_url(),
            link_text="Look at it",
        )


def _settings() -> Iterator[Line]:
    messages = run_checks(tags=["opsconsole"])
    for message in messages:
        level = Level.BAD if message.is_serious() else Level.WATCH
        yield Line(topic="settings", level=level, sentence=f"{message.msg} {message.hint or ''}".strip())
    if not settings.PRODUCTION:
        sentence = "This is not a production installation: the demo and lenient settings are allowed (OPSCONSOLE_ENV)."
        yield Line(topic="settings", level=Level.UNKNOWN, sentence=sentence)
    elif not messages:
        yield Line(topic="settings", level=Level.GOOD, sentence="The settings are fit for production.")


_ADDED: list[Callable[[], Iterable[Line]]] = []


def register_reader(reader: Callable[[], Iterable[Line]]) -> None:
    """Add what an app knows about how the console stands; it calls this when Django starts."""
    _ADDED.append(reader)


_READERS: tuple[Callable[[], Iterator[Line]], ...] = (
    _workers, _broker, _guards, _audit, _store, _programs, _servers, _settings,
)  # fmt: skip
