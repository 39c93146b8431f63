"""What the page of a migration offers once it ran: the way back that there is, and how long it takes."""

from __future__ import annotations

from lifecycle.models import Backup
from lifecycle.proving import drills
from opsconsole.exceptions import Refused
from opsconsole.kinds import Afterwards
from opsconsole.models import Database, Operation
from opsconsole.states import State


def after(operation: Operation) -> tuple[Afterwards, ...]:
    """Asking the doctor, where it failed; rolling back, where every migration that it applied has a way of its own; and
    restoring its safety backup."""
    return (*_doctor(operation), *_rollback(operation), *_restore(operation))


def instead_of_down(database: Database, refused: Refused) -> str:
    """What to do where a tool has no way back: the safety backup of the last migration, by number."""
    last = Operation.objects.filter(database=database, kind="migrate").exclude(result={}).order_by("-id").first()
    backup = _safety(last) if last else None
    if backup is None:
        return refused.next_step
    took = drills.words_for(backup)
    how_long = f" ({took})" if took else ""
    return (
        f"{refused.next_step} Safety backup {backup.pk} of the last one holds what was there before it: "
        f"`operate restore {database.name} --set backup={backup.pk}`{how_long}."
    )


def _rollback(operation: Operation) -> tuple[Afterwards, ...]:
    told, result = operation.plan.parameters, operation.result
    ways = {each["name"]: each.get("down") for each in told["migrations"]}
    done = result.get("migrations", [])
    reachable = len(done) == 1 or told["stays"]
    if operation.kind != "migrate" or not done or not reachable or not all(ways.get(name) for name in done):
        return ()
    number = len(done)
    words = "It has a way back of its own" if number == 1 else f"All {number} have a way back of their own"
    return (
        Afterwards(
            sentence=f"{words}; rows that went do not come back by it.",
            kind="rollback",
            parameters={**_folder(operation), **({"to": told["stays"]} if number > 1 else {})},
            label=f"Roll back {done[-1]}" if number == 1 else f"Roll back {number} migrations",
        ),
    )


def _doctor(operation: Operation) -> tuple[Afterwards, ...]:
    if operation.state != State.FAILED:
        return ()
    return (
        Afterwards(
            sentence="The doctor replays the folder beside the database and says what is half done. It only reads.",
            kind="doctor",
            parameters=_folder(operation),
            label="Ask the doctor",
            icon="medical_services",
        ),
    )


def _folder(operation: Operation) -> dict[str, str]:
    """The folder that it was about, as the form of another operation takes it."""
    told = operation.plan.parameters
    return {name: str(told[name]) for name in ("brought", "root", "path", "tool") if told.get(name)}


def _restore(operation: Operation) -> tuple[Afterwards, ...]:
    backup = _safety(operation)
    if backup is None or backup.state != Backup.State.GOOD:
        return ()
    took = drills.words_for(backup) or "nobody has measured how long restoring it takes"
    return (
        Afterwards(
            sentence=f"Safety backup {backup.pk} holds everything as it was before ({took}); what was written since "
            "would be lost.",
            kind="restore",
            parameters={"backup": str(backup.pk)},
            label=f"Restore safety backup {backup.pk}",
        ),
    )


def _safety(operation: Operation) -> Backup | None:
    number = operation.result.get("safety_backup")
    return Backup.objects.filter(pk=number).first() if number else None
