"""Changes of what is managed: register a database, change where or whose it is, stop managing it.

The callers check what somebody asks for with `databases.registration.addition`, `.edition` and `.removal`, which give
the parameters for these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opsconsole.changes.base import Change, Draft
from opsconsole.databases import registration
from opsconsole.exceptions import Usage
from opsconsole.models import Database, Operation
from opsconsole.plans import Effect


class AddDatabase(Change):
    """Register a database; `parameters` come from `registration.addition`."""

    name = "database.add"
    label = "Register a database"
    fields = (
        "name", "engine", "display", "url_env", "url_sealed", "identity", "incarnation", "server_version", "problem",
        "environment", "owner_group", "queue", "tags", "warnings",
    )  # fmt: skip

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        _refuse_incomplete(parameters, self.fields)
        name, environment, group = (parameters[key] for key in ("name", "environment", "owner_group"))
        return Draft(
            summary=f"The database {name} ({environment}) is managed, for the owner group {group}.",
            parameters=dict(parameters),
            effects=(
                Effect(object=f"database {name}", action="created", note=f"{environment}, {parameters['display']}"),
            ),
            owner_groups=(group,),
            risk="medium" if parameters["warnings"] else "low",
            risk_reasons=tuple(parameters["warnings"]),
            way_back="Remove it again; nothing in the database itself changes.",
        )

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return _told(registration.add(operation, parameters))


class EditDatabase(Change):
    """Change a database's settings or address; `parameters` come from `registration.edition`."""

    name = "database.edit"
    label = "Change a database"
    fields = ("name", "database", "changes", "where", "display_before", "warnings")

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        _refuse_incomplete(parameters, self.fields)
        database = Database.objects.select_related("owner_group").get(pk=parameters["database"])
        effects = [
            Effect(object=f"{field.replace('_', ' ')} of {database.name}", action="replaced", note=_from_to(change))
            for field, change in sorted(parameters["changes"].items())
        ]
        if parameters["where"]:
            moved = {"old": parameters["display_before"], "new": parameters["where"]["display"]}
            effects.append(Effect(object=f"address of {database.name}", action="replaced", note=_from_to(moved)))
        groups = {database.owner_group.name}
        if "owner_group" in parameters["changes"]:
            groups.add(parameters["changes"]["owner_group"]["new"])
        return Draft(
            summary=f"{database.name}: {'; '.join(f'{effect.object} {effect.note}' for effect in effects)}.",
            parameters=dict(parameters),
            effects=tuple(effects),
            owner_groups=tuple(sorted(groups)),
            databases=(database.pk,),
            risk="medium",
            risk_reasons=tuple(parameters["warnings"]),
        )

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return _told(registration.edit(operation, parameters))


class RemoveDatabase(Change):
    """Stop managing a database; `parameters` come from `registration.removal`."""

    name = "database.remove"
    label = "Stop managing a database"
    fields = ("name", "database", "display")

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        _refuse_incomplete(parameters, self.fields)
        database = Database.objects.select_related("owner_group").get(pk=parameters["database"])
        return Draft(
            summary=f"The database {database.name} is no longer managed; its history and its backups stay.",
            parameters=dict(parameters),
            effects=(
                Effect(object=f"database {database.name}", action="removed", note="from the console; itself untouched"),
            ),
            owner_groups=(database.owner_group.name,),
            databases=(database.pk,),
            risk="medium",
            way_back="Register it again under another name.",
        )

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return _told(registration.remove(operation, parameters))


def _refuse_incomplete(parameters: Mapping[str, Any], fields: tuple[str, ...]) -> None:
    if missing := [name for name in fields if name not in parameters]:
        raise Usage(
            "missing_value", f"A value for {missing[0]} is needed.", "Ask with `manage.py database` or on the page."
        )


def _from_to(change: Mapping[str, Any]) -> str:
    return f"{_words(change['old'])} → {_words(change['new'])}"


def _words(value: Any) -> str:
    return (", ".join(value) if isinstance(value, list) else str(value)) or "none"


def _told(database: Database) -> dict[str, Any]:
    return {"database": database.pk, "name": database.name}
