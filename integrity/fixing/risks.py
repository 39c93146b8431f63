"""What may go wrong with a fix, and how it can be taken back, in words for whoever approves it."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings

from integrity.checks.base import Moment
from integrity.fixing import following
from integrity.fixing.laid import Laid
from integrity.fixing.parts import Part
from opsconsole.engines.base import Engine
from opsconsole.models import Database
from opsconsole.templatetags.console import duration


def way_back(database: Database, engine: Engine, laid: Laid) -> str:
    if not laid.parts:
        return "No row changes. An index that was created can be dropped; nothing else needs to be taken back."
    more = " Statements beside the rows are not taken back: they change no row." if laid.statements else ""
    if laid.stuck:
        more += (
            " But the console's role could not put back rows that refer to nothing against an enforced foreign key "
            f"({', '.join(laid.stuck)}): that needs a role that may set session_replication_role. Keep a backup if "
            "they may be missed."
        )
    if loud := engine.unquiet(
        [laid.structure.relations[table] for table in laid.rows if _firing(laid, table, back=True)]
    ):
        more += (
            f" But the console's role does not own {', '.join(each.full_name for each in loud)}: where a trigger there "
            "changes rows on their way back, the fix cannot be taken back."
        )
    return (
        f"What these rows held is kept in {database.name}, encrypted, for {duration(settings.FIX_UNDO_HOURS * 3600)}: "
        f"until then the fix can be taken back, where nobody has changed the rows meanwhile.{more}"
    )


def reasons(laid: Laid) -> list[str]:
    reasons = ["Rows are deleted or changed; exactly those that are listed below, or none."] if laid.parts else []
    if laid.statements:
        reasons.append("Statements beside the rows commit one by one; what is done before one that fails stays.")
    reasons += laid.unknown
    reasons += [
        f"Along with them {'go' if part.deletes else 'change'} {rows(len(part.aims))} of {part.table}: {part.along}."
        for part in laid.parts
        if part.along
    ]
    for table in laid.rows:
        if fired := _firing(laid, table):
            reasons.append(f"Triggers of {table} fire ({', '.join(fired)}); what they do elsewhere is not taken back.")
    if any(part.people for part in laid.parts):
        reasons.append("People wrote the SQL that chose the rows or their values; it only reads.")
    return [*reasons, laid.left] if laid.left else reasons


def stuck(moment: Moment, parts: Sequence[Part]) -> list[str]:
    """Enforced foreign keys that rows of the parts break, and against which these could not be put back."""
    structure, found = moment.structure, dict[str, None]()
    own = {part.table: following.own_references(structure, part.table) for part in parts}
    held = moment.engine.enforces([key for keys in own.values() for key in keys])
    for part in parts:
        names = {key.name for key in own[part.table] if key in held}
        if names:
            keys = [aim.key for aim in part.aims]
            loose = following.unmet(moment.inquiry.ask, moment.engine.wording, structure, part.table, keys)
            broken = names & {name for each in loose.values() for name in each}
            found.update({f"{name} of {part.table}": None for name in sorted(broken)})
    return list(found)


def _firing(laid: Laid, table: str, *, back: bool = False) -> list[str]:
    """The triggers of a table that fire when its rows are set right, or when they are put back."""
    gone = "INSERT" if back else "DELETE"
    events = {gone if part.deletes else "UPDATE" for part in laid.parts if part.table == table}
    return [each.name for each in laid.structure.relations[table].triggers if events & set(each.events)]


def rows(count: int) -> str:
    return f"{count} row{'s' * (count != 1)}"
