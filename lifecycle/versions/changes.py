"""The change that declares a database's version, and the rules by which documents follow it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lifecycle.versions import declared
from lifecycle.versions.declared import Declared
from opsconsole.changes import Change, Draft
from opsconsole.changes.values import number
from opsconsole.databases.finding import database_of, require_engineer
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Account, Operation
from opsconsole.plans import Effect

LONGEST = 120  # characters of a version's name


class DeclareVersion(Change):
    """Say which version a database's schema has; an empty version takes the declaration back."""

    name = declared.ACTION
    label = "Declare the version"
    fields = ("database", "version", "name", "rules")
    free_at_first = False  # it decides what a restore of data fills in and refuses

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        database = database_of(number(parameters, "database", default=0, least=0, most=2**53))
        before, wanted = declared.of(database), _wanted(parameters)
        if before == wanted:
            raise Usage("nothing_to_do", f"{database.name} is declared to have {before} already.", "Look at its page.")
        return Draft(
            summary=f"{database.name} is declared to have {wanted}; documents are judged and upgraded by that.",
            parameters={
                "database": database.pk, "version": wanted.version, "name": wanted.name, "rules": wanted.rules,
                "before": str(before),
            },
            effects=(
                Effect(object=f"declared version of {database.name}", action="replaced", note=f"{before} → {wanted}"),
            ),
            owner_groups=(database.owner_group.name,),
            databases=(database.pk,),
            risk="medium",
            risk_reasons=(
                *_lowered(before, wanted),
                "A document newer than the declared version is refused; an older one is filled in by the rules.",
            ),
            way_back="Declare the version again that it has now.",
        )  # fmt: skip

    def refuse_strangers(self, account: Account | None, draft: Draft) -> None:
        """Whoever may ask for a restore there may ask for this."""
        require_engineer(account, database_of(draft.parameters["database"]), "declare its version")

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        database = database_of(parameters["database"])
        if str(declared.of(database)) != parameters["before"]:
            raise Refused("stale", "The version was declared anew by somebody else meanwhile.", "Ask again.")
        stated = Declared(version=parameters["version"], name=parameters["name"], rules=parameters["rules"])
        declared.put(database, stated, operation)
        return {"database": database.pk, "version": stated.version}


_WITHOUT = "Give the version's number; to take the declaration back, empty the name and choose no rules as well."


def _lowered(before: Declared, wanted: Declared) -> tuple[str, ...]:
    if before.version is None or wanted.version is None or wanted.version >= before.version:
        return ()
    return (f"It is lower than the version {before.version} that is declared now: schemas rarely go back.",)


def _wanted(parameters: Mapping[str, Any]) -> Declared:
    """What somebody asks to declare. Raises Usage."""
    given, name = str(parameters.get("version") or "").strip(), str(parameters.get("name") or "").strip()
    rules = declared.rules_called(str(parameters.get("rules") or "").strip())
    if not given:
        if name or rules:
            raise Usage("missing_value", "Rules and a name belong to a version.", _WITHOUT)
        return Declared()
    if len(name) > LONGEST:
        raise Usage("bad_name", f"A version's name has at most {LONGEST} characters.", "Give the migration's name.")
    version = number(parameters, "version", default=0, least=0, most=2**31 - 1)
    return Declared(version=version, name=name, rules=rules)
