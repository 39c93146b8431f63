"""What a target is, whatever it is called: its identity, the strictest of its environments, and what is off limits."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection, transaction

from opsconsole import audit
from opsconsole.clock import now
from opsconsole.databases.addresses import engine_for
from opsconsole.databases.twins import Answer, ask_again, twins_of
from opsconsole.engines.base import Check, Identity
from opsconsole.exceptions import OpsError, Refused
from opsconsole.models import Database, Environment


def probe(database: Database) -> Identity:
    """Ask the target who it is and keep the answer, or what was wrong, in the row.

    Raises TargetProblem when it cannot be asked, Refused("own_database") when it is the console itself.
    """
    try:
        return recognise(database, engine_for(database).identity())
    except OpsError as error:
        _keep(database, problem=_sentence(error))
        raise


def recognise(database: Database, identity: Identity) -> Identity:
    """Keep what the target has just said of itself, and what its other names say now when they are asked.

    Raises Refused: own_database when it is the console itself; twin_unknown when it has become another database and a
    name that was the same one gives no answer. Then what was known is kept.
    """
    refuse_own(identity.key)
    for answer in ask_again(database, identity):
        _keep_answer(answer, identity)
    _keep_identity(database, identity)
    return identity


def _keep_answer(answer: Answer, target: Identity) -> None:
    """Keep what another name said. One that cannot be asked, at the same address, is the same target."""
    if answer.identity is not None:
        _keep_identity(answer.database, answer.identity)
    elif answer.same_place:
        _note_change(answer.database, target.key)
        _keep(answer.database, identity=target.key, incarnation=target.incarnation, problem=answer.problem)
    else:
        _keep(answer.database, problem=answer.problem)


def _keep_identity(database: Database, identity: Identity) -> None:
    _note_change(database, identity.key)
    _keep(
        database, identity=identity.key, incarnation=identity.incarnation, server_version=identity.server_version,
        problem="",
    )  # fmt: skip


def _note_change(database: Database, key: str) -> None:
    if database.identity and database.identity != key:
        audit.record("database.identity_changed", database=database, before=database.identity, after=key)


def check(database: Database) -> list[Check]:
    """Everything that is wrong or worth knowing, most serious first; keeps the outcome in the row, records that it
    was asked and never raises."""
    lines = _checked(database)
    wrong = [line.code for line in lines if not line.ok]
    facts = {"class": (wrong or ["ok"])[0], "version": database.server_version, "identity": database.identity}
    audit.record("database.checked", outcome="failed" if wrong else "ok", database=database, data=facts)
    return lines


def _checked(database: Database) -> list[Check]:
    try:
        checks = engine_for(database).check()
    except OpsError as error:
        _keep(database, problem=_sentence(error))
        return [_as_check(error)]
    try:
        probe(database)
    except OpsError as error:
        return [line for line in checks if not line.ok] or [_as_check(error)]
    return [*checks, *_shared_identity(database)]


def same_target(identity: str) -> list[Database]:
    """Every registered database that is this target."""
    rows = Database.objects.filter(removed_at=None).exclude(identity="")
    return list(rows.filter(identity=identity).select_related("environment").order_by("name"))


def environments_of(identity: str) -> list[Environment]:
    """The environments of all names of one target, strictest first."""
    found = {row.environment for row in same_target(identity)}
    return sorted(found, key=lambda environment: (environment.protected, environment.order), reverse=True)


def strictest(database: Database) -> Environment:
    """The environment that counts for this database: the strictest of all rows that are, or may be, this target."""
    found = {database.environment, *(row.environment for row in twins_of([database]))}
    return max(found, key=lambda environment: (environment.protected, environment.order))


def protected(database: Database) -> bool:
    """Whether the database is protected, under this name or any other."""
    return strictest(database).protected


def refuse_own(identity: str) -> None:
    """Raise Refused when a target is the console's own database or a file of its state."""
    if identity and (identity == _own_identity() or _is_own_file(identity)):
        raise Refused(
            "own_database", "This is the console's own database or state, which it does not manage.",
            "Register the database of an application; back the console up as the operator's guide says.",
        )  # fmt: skip


def _keep(database: Database, **facts: str) -> None:
    at = now()
    Database.objects.filter(pk=database.pk).update(seen_at=at, **facts)
    for name, value in {**facts, "seen_at": at}.items():
        setattr(database, name, value)


def _sentence(error: OpsError) -> str:
    return f"{error.why} {error.next_step}".strip()


def _as_check(error: OpsError) -> Check:
    return Check(code=error.code, ok=False, detail=error.why, next_step=error.next_step)


def _shared_identity(database: Database) -> list[Check]:
    others = [row for row in same_target(database.identity) if row.pk != database.pk]
    if not others:
        return []
    named = ", ".join(f"{row.name} ({row.environment.label})" for row in others)
    return [
        Check(
            code="ok", ok=True, detail=f"The same database is also registered as {named}.",
            next_step=f"The rules of {strictest(database).label} count for all of them.",
        )
    ]  # fmt: skip


def _own_identity() -> str:
    if connection.vendor != "postgresql":
        return ""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT system_identifier::text, current_database() FROM pg_control_system()")
            system, name = cursor.fetchone()
    except DatabaseError:
        return ""  # a server that hides its number from this role; no target on it can be identified either
    return f"postgresql:{system}:{name}"


def _is_own_file(identity: str) -> bool:
    """Whether an identity `sqlite:DEVICE:INODE:REALPATH` is a file of the console, by place or by inode."""
    if not identity.startswith("sqlite:"):
        return False
    _, device, inode, path = identity.split(":", 3)
    home = settings.OPSCONSOLE_HOME.resolve()
    open_to_targets = [root.resolve() for root in settings.OPSCONSOLE_ROOTS]
    below_home = [root for root in open_to_targets if root != home and root.is_relative_to(home)]
    within = [folder for folder in (home, settings.OPSCONSOLE_STORE.resolve()) if Path(path).is_relative_to(folder)]
    if within and not any(Path(path).is_relative_to(root) for root in below_home):
        return True
    return (device, inode) in {_inode(file) for file in _state_files(home)}


def _state_files(home: Path) -> list[Path]:
    own = [file for file in home.iterdir() if file.is_file()]
    if connection.vendor == "sqlite":
        own.append(Path(str(connection.settings_dict["NAME"])))
    return own


def _inode(file: Path) -> tuple[str, str]:
    try:
        found = file.stat()
    except OSError:
        return ("", "")  # gone meanwhile
    return (str(found.st_dev), str(found.st_ino))
