"""Adding, editing and removing a database: what a change request carries, checked, and what it does when confirmed.

`addition`, `edition` and `removal` check what somebody asks for and give the parameters of the change
(`database.add`, `database.edit`, `database.remove`): JSON values that hold no secret in the clear. `add`, `edit` and
`remove` do it; they run inside the transaction of the confirmed change and touch no target.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.core.exceptions import ValidationError

from opsconsole import audit
from opsconsole.clock import now
from opsconsole.databases.addresses import cipher, parse, url_from
from opsconsole.databases.identities import refuse_own, same_target
from opsconsole.databases.suggestions import contradictions
from opsconsole.engines import open_engine
from opsconsole.exceptions import Refused, TargetProblem, Usage
from opsconsole.models import Database, Environment, Operation, OwnerGroup
from opsconsole.models.databases import NAME
from opsconsole.states import OPEN

EDITABLE = ("environment", "owner_group", "queue", "tags", "guarded_tables", "masked_columns", "target_hours")
MOST_HOURS = 366 * 24
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,79}")
_CONSOLE_VARIABLES = frozenset({"DATABASE_URL", "MIGRATE_DATABASE_URL", "BROKER_URL", "SECRET_KEY", "FIELD_KEYS"})


def addition(
    name: str,
    *,
    environment: str,
    url: str = "",
    url_env: str = "",
    owner_group: str = "default",
    queue: str = "default",
    tags: Sequence[str] = (),
) -> dict[str, Any]:
    """The parameters of `database.add`. Asks the target who it is when it can be reached.

    Raises Usage (bad name, unknown environment), Refused (name taken, the console's own database) and TargetProblem
    (a URL that cannot be read). A target that cannot be reached is taken, with the reason in `problem`.
    """
    _check_name(name, "database")
    _check_name(queue, "queue")
    if Database.objects.filter(name=name).exists():
        raise Refused("name_taken", f"There is, or was, a database called {name}.", "Choose another name.")
    chosen = environment_called(environment)
    where = _whereabouts(url, url_env)
    warnings = contradictions(where["display"], name, chosen)
    warnings += _already_known(where["identity"], chosen) + _new_group(owner_group)
    if where["problem"]:
        warnings.append(f"It cannot be reached now. {where['problem']}")
    return {
        "name": name, **where, "environment": chosen.name, "owner_group": _checked_group(owner_group), "queue": queue,
        "tags": _cleaned(tags), "warnings": warnings,
    }  # fmt: skip


def edition(database: Database, changes: Mapping[str, Any], *, url: str = "", url_env: str = "") -> dict[str, Any]:
    """The parameters of `database.edit`: `changes` as {field: {"old", "new"}}, and where it is when that changes.

    `changes` given holds wanted values by field name (EDITABLE). Raises Usage, TargetProblem, or Refused, also while
    an operation on the database is open and its address would change.
    """
    if unknown := sorted(set(changes) - set(EDITABLE)):
        raise Usage("unknown_field", f"{unknown[0]} cannot be edited.", f"These can: {', '.join(EDITABLE)}.")
    now_is = settings_of(database)
    wanted = {field: _checked(field, value) for field, value in changes.items()}
    moved = {field: {"old": now_is[field], "new": value} for field, value in wanted.items() if value != now_is[field]}
    where = _whereabouts(url, url_env) if url or url_env else {}
    if where:
        _refuse_while_open(database)
    if where and where["engine"] != database.engine:
        raise Refused(
            "wrong_engine", f"{database.name} is a {database.engine} database; that URL names {where['engine']}.",
            "Register it as a new database.",
        )  # fmt: skip
    if not moved and not where:
        raise Usage("nothing_to_change", f"{database.name} has these settings already.", "Name a setting to change.")
    chosen = environment_called(str(wanted.get("environment", now_is["environment"])))
    warnings = contradictions(str(where.get("display", database.display)), database.name, chosen)
    if where and where["problem"]:
        warnings.append(f"It cannot be reached there now. {where['problem']}")
    return {
        "name": database.name, "database": database.id, "changes": moved, "where": where,
        "display_before": database.display, "warnings": warnings,
    }  # fmt: skip


def removal(database: Database) -> dict[str, Any]:
    """The parameters of `database.remove`. Raises Refused while an operation on it is open."""
    _refuse_while_open(database)
    return {"name": database.name, "database": database.id, "display": database.display}


def add(operation: Operation, parameters: Mapping[str, Any]) -> Database:
    """Make the row of a confirmed `database.add`. Raises Refused when the name was taken meanwhile."""
    if Database.objects.filter(name=parameters["name"]).exists():
        raise Refused("name_taken", f"There is a database called {parameters['name']} now.", "Choose another name.")
    group, _ = OwnerGroup.objects.get_or_create(name=parameters["owner_group"])
    database = Database.objects.create(
        name=parameters["name"], **_columns(parameters), environment=environment_called(parameters["environment"]),
        owner_group=group, queue=parameters["queue"], tags=parameters["tags"], changed_by=operation,
    )  # fmt: skip
    told = _told(parameters) | {"address": database.address}
    audit.record("database.added", database=database, operation=operation, data=told)
    return database


def edit(operation: Operation, parameters: Mapping[str, Any]) -> Database:
    """Do a confirmed `database.edit`. Raises Refused when a setting has moved since the plan was made, or an
    operation that is open now would be led to another address."""
    database = Database.objects.select_related("environment", "owner_group").get(pk=parameters["database"])
    now_is = settings_of(database)
    changes, where = parameters["changes"], parameters["where"]
    moved = [field for field, change in changes.items() if now_is[field] != change["old"]]
    if moved or database.removed_at or database.display != parameters["display_before"]:
        what = ", ".join(moved) or "removed or moved"
        raise Refused("stale", f"{database.name} was changed meanwhile ({what}).", "Ask again.")
    if where:
        _refuse_while_open(database)
    values: dict[str, Any] = {field: change["new"] for field, change in changes.items()}
    if "environment" in values:
        values["environment"] = environment_called(values["environment"])
    if "owner_group" in values:
        values["owner_group"], _ = OwnerGroup.objects.get_or_create(name=values["owner_group"])
    Database.objects.filter(pk=database.pk).update(**values, **(_columns(where) if where else {}), changed_by=operation)
    database.refresh_from_db()
    old, new = ({field: change[side] for field, change in changes.items()} for side in ("old", "new"))
    if where:
        old, new = old | {"display": parameters["display_before"]}, new | {"display": where["display"]}
    told = {"fields": sorted(new), "old": old, "new": new, "address": database.address}
    audit.record("database.changed", database=database, operation=operation, data=told)
    return database


def remove(operation: Operation, parameters: Mapping[str, Any]) -> Database:
    """Do a confirmed `database.remove`: the row stays, for the history; nobody works on it any more."""
    database = Database.objects.get(pk=parameters["database"])
    _refuse_while_open(database)
    Database.objects.filter(pk=database.pk, removed_at=None).update(removed_at=now(), changed_by=operation)
    audit.record("database.removed", database=database, operation=operation, data={"identity": database.identity})
    database.refresh_from_db()
    return database


def has_password(url: str) -> bool:
    """Whether a URL carries a password, before the @ or among its settings; of one that cannot be read, it may."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return True
    settings = {key.lower() for key, _ in parse_qsl(parts.query, keep_blank_values=True)}
    return parts.password is not None or "password" in settings


def environment_called(name: str) -> Environment:
    """The environment of that name. Raises Usage with the list of what there is."""
    found = Environment.objects.filter(name=name).first()
    if found is None:
        listed = ", ".join(Environment.objects.values_list("name", flat=True))
        raise Usage("unknown_environment", f"There is no environment called {name}.", f"There are: {listed}.")
    return found


def settings_of(database: Database) -> dict[str, Any]:
    """The settings that can be edited, as JSON values by field name."""
    return {
        "environment": database.environment.name, "owner_group": database.owner_group.name, "queue": database.queue,
        "tags": list(database.tags), "guarded_tables": list(database.guarded_tables),
        "masked_columns": list(database.masked_columns), "target_hours": database.target_hours,
    }  # fmt: skip


def _whereabouts(url: str, url_env: str) -> dict[str, Any]:
    """Where it is, as JSON without secrets, and what it said of itself."""
    if bool(url) == bool(url_env):
        raise Usage("url_needed", "Give either the URL or the name of the variable that holds it.", "")
    if url_env and (not _VARIABLE.fullmatch(url_env) or url_env in _CONSOLE_VARIABLES):
        raise Usage(
            "bad_variable", f"{url_env!r} cannot hold the URL of a database.",
            "Use capitals, digits and _, like SAVINGS_URL.",
        )  # fmt: skip
    address = parse(url or url_from(url_env))
    identity = incarnation = version = problem = ""
    try:
        found = open_engine(address).identity()
        identity, incarnation, version = found.key, found.incarnation, found.server_version
    except TargetProblem as error:
        problem = f"{error.why} {error.next_step}".strip()
    refuse_own(identity)
    return {
        "engine": address.engine, "display": address.display, "url_env": url_env,
        "url_sealed": cipher().seal(url.strip()) if url else "", "identity": identity, "incarnation": incarnation,
        "server_version": version, "problem": problem,
    }  # fmt: skip


def _columns(where: Mapping[str, Any]) -> dict[str, Any]:
    names = ("engine", "display", "url_env", "url_sealed", "identity", "incarnation", "server_version", "problem")
    return {name: where[name] for name in names} | {"seen_at": now() if where["identity"] else None}


def _told(parameters: Mapping[str, Any]) -> dict[str, Any]:
    names = ("engine", "display", "url_env", "environment", "owner_group", "queue", "tags", "identity")
    return {name: parameters[name] for name in names}


def _already_known(identity: str, chosen: Environment) -> list[str]:
    others = same_target(identity)
    if not others:
        return []
    named = ", ".join(f"{row.name} ({row.environment.label})" for row in others)
    return [f"The same database is registered as {named}; the strictest of these and {chosen.label} counts for all."]


def _new_group(name: str) -> list[str]:
    if OwnerGroup.objects.filter(name=name).exists():
        return []
    return [f"The owner group {name} is new: nobody holds a role in it yet."]


def _checked(field: str, value: Any) -> Any:
    if field in ("tags", "guarded_tables", "masked_columns"):
        return _cleaned(value)
    if field == "target_hours":
        return _checked_hours(value)
    if field == "environment":
        return environment_called(str(value)).name
    return _checked_group(str(value)) if field == "owner_group" else _check_name(str(value), "queue")


def _checked_hours(value: Any) -> int:
    hours = int(value) if str(value).isdecimal() else -1
    if not 0 <= hours <= MOST_HOURS:
        raise Usage(
            "bad_value", f"{value!r} is no number of hours.", f"Use 1 to {MOST_HOURS}, or 0 for the environment's own."
        )
    return hours


def _checked_group(name: str) -> str:
    return _check_name(name, "owner group")


def _check_name(name: str, what: str) -> str:
    try:
        NAME(name)
    except ValidationError as error:
        raise Usage("bad_name", f"{name!r} is no name for a {what}.", error.messages[0]) from None
    return name


def _cleaned(values: Sequence[str]) -> list[str]:
    return sorted({value.strip() for value in values if value.strip()})


def _refuse_while_open(database: Database) -> None:
    """Refuse while an open operation touches the database in any role: its plan names this row and what is there."""
    touched = database.operation_targets.filter(operation__state__in=OPEN)
    if touched.exists() or database.operations.filter(state__in=OPEN).exists():
        raise Refused(
            "in_use", f"An operation on {database.name} is open.", "Wait for its end, or cancel it, then ask again."
        )
