"""What an undo would do and whether it may: the kept side is looked at, refusals are found, the plan is composed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.conf import settings

from lifecycle import loss
from lifecycle.backups import archives, taking
from lifecycle.encryption import recipients
from lifecycle.formats import format_of, formats_for, keeper_of
from lifecycle.loss import LossPreview
from lifecycle.models import Backup, KeptCopy
from lifecycle.restores import kept, offers
from opsconsole.engines.base import Engine
from opsconsole.exceptions import Refused
from opsconsole.models import Database
from opsconsole.plans import Plan, Precondition, Step
from opsconsole.targets import plan_target

GONE = "gone"
IN_PLACE = "in place"
NOBODY = "nobody"


def refuse(copy: KeptCopy, engine: Engine) -> None:
    """Raise Refused with the first reason in the target why a copy cannot come back."""
    _refuse_if_replaced(copy, engine)
    if copy.way == KeptCopy.Way.DATABASE:
        found = keeper_of(engine.name).refusals(engine, copy.name, copy.incarnation)
    else:
        backup = backup_of(copy)
        taking.sound(backup)
        manifest = archives.manifest_of(backup)
        contents = manifest.contents
        recipients.refuse_locked(f"Safety backup {backup.id}", manifest.public_keys)
        found = format_of(engine.name, contents.format).refusals(
            engine, contents, method=method_of(copy), overwrite=True
        )
        taking.planned_room(engine, formats_for(engine.name)[0], taking.first_store(copy.database))
    if found:
        raise Refused(*found[0])


def _refuse_if_replaced(copy: KeptCopy, engine: Engine) -> None:
    """Somebody else may have put another content in the place of what the operation made."""
    if _made(copy, engine) == IN_PLACE:
        return
    name = copy.database.name
    raise Refused(
        "replaced_since",
        f"{name} does not hold any more what operation {copy.operation_id} put there: somebody has replaced it since.",
        "Find out who did (another console, or somebody on the server), or restore a backup.",
    )


def bound(copy: KeptCopy, engine: Engine) -> tuple[Precondition, ...]:
    """What binds a plan to exactly this copy, and to the content that it takes the place of."""
    subject, probes = (
        str(copy.operation_id),
        PROBES if copy.way == KeptCopy.Way.DATABASE else ("content", "made", "kept"),
    )
    found = [Precondition(probe=name, subject=subject, value=PROBES[name](copy, engine)) for name in probes]
    if copy.way == KeptCopy.Way.BACKUP:
        digest = archives.manifest_of(backup_of(copy)).digest
        found.append(Precondition(probe="backup", subject=str(copy.backup_id), value=digest))
    return tuple(found)


def loss_of(copy: KeptCopy, engine: Engine, within: loss.Limits | None = None) -> LossPreview:
    """What the live database would lose if the copy came back."""
    if copy.way == KeptCopy.Way.DATABASE:
        return loss.of_kept(engine, copy.name, f"what {offers.named(copy)} replaced", within)
    backup = backup_of(copy)
    archive, manifest = archives.archive_of(backup), archives.manifest_of(backup)
    return loss.of_backup(engine, archive, manifest, f"safety backup {backup.id}", within)


def written_since(copy: KeptCopy, engine: Engine) -> str:
    """What was written into the live database since a restore filled it, in words; empty where nobody can tell."""
    backup = Backup.objects.good().filter(pk=copy.operation.result.get("backup")).first()
    if backup is None or copy.made != copy.operation_id:
        return ""
    archive, manifest = archives.archive_of(backup), archives.manifest_of(backup)
    found = loss.of_backup(engine, archive, manifest, f"backup {backup.id}", loss.limits(patience=0.5))
    gone = sum(table.only_other or 0 for table in found.tables)
    if not found.lost + found.changed + gone:
        return f"nothing{'' if found.exact else ' that could be seen in the time'} since {offers.named(copy)}"
    about = "" if found.exact else "about "
    return f"{about}{found.lost} rows added, {found.changed} changed, {gone} removed since {offers.named(copy)}"


def _content(copy: KeptCopy, engine: Engine) -> str:
    """Whose content this console knows to be live."""
    return f"that of operation {kept.live_content(copy.database)}"


def _made(copy: KeptCopy, engine: Engine) -> str:
    """Whether what the last operation of ours made is still what the target holds."""
    return IN_PLACE if _is_in_place(copy, engine) else "replaced"


def _kept(copy: KeptCopy, engine: Engine) -> str:
    """Where the copy is."""
    if copy.state != KeptCopy.State.KEPT:
        return copy.get_state_display()
    if copy.way == KeptCopy.Way.BACKUP:
        return f"backup {copy.backup_id}"
    return f"{copy.name} ({copy.incarnation})" if _beside(copy, engine) else GONE


def _kept_schema(copy: KeptCopy, engine: Engine) -> str:
    beside = _beside(copy, engine)
    return beside.schema_fingerprint() if beside else GONE


def _kept_sessions(copy: KeptCopy, engine: Engine) -> str:
    beside = _beside(copy, engine)
    return ", ".join(beside.sessions()) or NOBODY if beside else GONE


def _kept_writes(copy: KeptCopy, engine: Engine) -> str:
    """The counts of rows alone would not show a value that was changed in the copy."""
    beside = _beside(copy, engine)
    return beside.writes() if beside else GONE


PROBES: Mapping[str, Callable[[KeptCopy, Engine], str]] = {
    "content": _content,
    "made": _made,
    "kept": _kept,
    "kept_schema": _kept_schema,
    "kept_sessions": _kept_sessions,
    "kept_writes": _kept_writes,
}


def _beside(copy: KeptCopy, engine: Engine) -> Engine | None:
    return keeper_of(engine.name).open(engine, copy.name, copy.incarnation)


def _is_in_place(copy: KeptCopy, engine: Engine) -> bool:
    """Whether the live database is the one that the last operation of ours made, as far as the target can tell."""
    if copy.live_incarnation and engine.identity().incarnation != copy.live_incarnation:
        return False
    last = kept.newest(copy.database)
    witness = last.operation.witness if last else {}
    return not witness or formats_for(engine.name)[0].landed(engine, witness) is not False


def backup_of(copy: KeptCopy) -> Backup:
    """The safety backup that holds what a copy kept that way holds."""
    if copy.backup is None:
        raise Refused("kept_gone", f"No backup is listed for what operation {copy.operation_id} replaced.")
    return copy.backup


def method_of(copy: KeptCopy) -> str:
    """How its backup goes back: as the operation that took it went."""
    return str(copy.operation.plan.parameters.get("method") or "swap")


def compose(database: Database, copy: KeptCopy, engine: Engine) -> Plan:
    """The plan of an undo. Raises Refused when the target is the console itself."""
    identity, preview = engine.identity(), loss_of(copy, engine)
    effects = preview.effects()
    return Plan(
        kind="undo",
        summary=(
            f"{database.name} holds again exactly what it held before {offers.named(copy)} of "
            f"{copy.kept_at:%Y-%m-%d %H:%M:%S} UTC; everything written since is gone from it."
        ),
        targets=(plan_target(database, identity),),
        parameters={"operation": str(copy.operation_id), "way": copy.way, "method": _method(copy)},
        steps=_steps(copy),
        effects=effects,
        preconditions=(
            Precondition(probe="identity", subject="target", value=identity.key),
            Precondition(probe="incarnation", subject="target", value=identity.incarnation),
            Precondition(probe="schema", subject="target", value=engine.schema_fingerprint()),
            *bound(copy, engine),
        ),
        risk="high",
        risk_reasons=_risks(database, copy, [effect.object for effect in effects if effect.action == "removed"]),
        evidence=_evidence(copy, engine),
        way_back=(
            f"What is replaced is kept in turn: for {settings.OLD_DATABASE_HOURS} hours the undo can itself be undone."
        ),
        confirmation=preview.confirmation(),
    )


def _evidence(copy: KeptCopy, engine: Engine) -> dict[str, str]:
    found = {"kept": f"{offers.where(copy)}, until {copy.expires_at:%Y-%m-%d %H:%M} UTC"}
    if since := written_since(copy, engine):
        found["written"] = since
    there = "in the kept database" if copy.way == KeptCopy.Way.DATABASE else "in the manifest of the safety backup"
    return found | {"counted": f"rows before are counted live; rows after are those {there}"}


def _method(copy: KeptCopy) -> str:
    return "swap" if copy.way == KeptCopy.Way.DATABASE else method_of(copy)


def _risks(database: Database, copy: KeptCopy, removed: list[str]) -> tuple[str, ...]:
    reasons = [f"Every row written to {database.name} after {offers.named(copy)} is replaced."]
    if removed:
        reasons.append(f"Tables that were not there before it disappear: {', '.join(removed)}.")
    if copy.way == KeptCopy.Way.DATABASE:
        reasons.append("Connections to the database are closed at the moment of the swap.")
    return tuple(reasons)


def _steps(copy: KeptCopy) -> tuple[Step, ...]:
    if copy.way == KeptCopy.Way.DATABASE:
        return (
            Step(title=f"Count what {copy.name} holds", detail="It must be what was agreed to, row for row."),
            Step(
                title=f"Put {copy.name} back in the place of the live database",
                detail="One transaction changes both names; until it, nothing that applications see has changed.",
                commit_point=True,
            ),
        )
    backup = backup_of(copy)
    return (
        Step(
            title="Take a safety backup of what is there now",
            detail="Read through in full before anything else happens.",
        ),
        Step(
            title=f"Put safety backup {backup.id} back in the place of what is there",
            artifact=backup.manifest_sha256,
            detail="The copy is proven first; one atomic act makes it live.",
            commit_point=True,
        ),
    )
