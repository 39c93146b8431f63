"""Changes of where backups may go: a store more, another setting of one, one that is no longer used.

The callers check what somebody asks for with `stores.asking`, whose functions give the parameters for these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opsconsole import audit
from opsconsole.changes.base import Change, Draft
from opsconsole.changes.values import slug
from opsconsole.clock import now
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Operation, OwnerGroup, Store
from opsconsole.plans import Effect
from opsconsole.stores import asking


class AddStore(Change):
    """Add a store; `parameters` come from `asking.addition`."""

    name = "store.add"
    label = "Add a store"
    fields = ("name", *Store.SETTINGS, "credentials_sealed", "warnings")

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        _refuse_incomplete(parameters, self.fields)
        name = slug(parameters, "name", of="a store")
        row = Store(name=name, **{key: parameters[key] for key in Store.SETTINGS})
        way = "may be written" if row.writable else "is only read"
        default = "; backups of environments without a choice go there" if row.is_default else ""
        return Draft(
            summary=f"There is a store {name} at {row.display}, which {way}{default}.",
            parameters=dict(parameters),
            effects=(Effect(object=f"store {name}", action="created", note=row.display),),
            facts=(f"store/{name}",),
            owner_groups=_every_group(),
            risk="medium",
            risk_reasons=("Whoever runs it could read what is stored there unencrypted.", *parameters["warnings"]),
            way_back="Retire it; what lies there stays where it is.",
        )

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        settings = {key: parameters[key] for key in Store.SETTINGS}
        if settings["is_default"]:
            _no_default(operation)
        sealed = parameters["credentials_sealed"]
        row = Store.objects.create(name=parameters["name"], **settings, credentials_sealed=sealed, changed_by=operation)
        told = {"store": row.pk, "where": row.display, "writable": row.writable, "default": row.is_default}
        audit.record("store.added", operation=operation, subject=row.name, data=told | {"address": row.address})
        return {"store": row.pk, "name": row.name}


class EditStore(Change):
    """Change a store's settings, not its place; `parameters` come from `asking.edition`."""

    name = "store.edit"
    label = "Change a store"
    fields = ("name", "changes", "credentials_sealed", "warnings")

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        _refuse_incomplete(parameters, self.fields)
        row = _row(parameters["name"])
        effects = [
            Effect(object=f"{key.replace('_', ' ')} of {row.name}", action="replaced",
                   note=f"{_word(getattr(row, key))} → {_word(value)}")
            for key, value in sorted(parameters["changes"].items())
        ]  # fmt: skip
        if parameters["credentials_sealed"] != row.credentials_sealed:
            effects.append(Effect(object=f"credentials of {row.name}", action="replaced", note="others from now on"))
        return Draft(
            summary=f"The store {row.name}: {'; '.join(f'{effect.object} {effect.note}' for effect in effects)}.",
            parameters=dict(parameters),
            effects=tuple(effects),
            facts=(f"store/{row.name}",),
            owner_groups=_every_group(),
            risk="medium",
            risk_reasons=tuple(parameters["warnings"]),
        )

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        row, new = _row(parameters["name"]), dict(parameters["changes"])
        if new.get("is_default"):
            _no_default(operation)
        old = {key: getattr(row, key) for key in new}
        sealed = parameters["credentials_sealed"]
        Store.objects.filter(pk=row.pk).update(**new, credentials_sealed=sealed, changed_by=operation)
        row.refresh_from_db()
        told = {"store": row.pk, "fields": sorted(new), "old": old, "new": new, "where": row.display}
        audit.record("store.changed", operation=operation, subject=row.name, data=told | {"address": row.address})
        return {"store": row.pk, "name": row.name}


class RetireStore(Change):
    """Use a store no longer; `parameters` come from `asking.retirement`."""

    name = "store.retire"
    label = "Retire a store"
    fields = ("name",)

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        row = _row(slug(parameters, "name", of="a store"))
        asking.retirement(row)
        return Draft(
            summary=f"The store {row.name} is not used any more; what lies at {row.display} stays there.",
            parameters={"name": row.name},
            effects=(Effect(object=f"store {row.name}", action="removed", note="from the console; itself untouched"),),
            facts=(f"store/{row.name}",),
            owner_groups=_every_group(),
            risk="high",
            risk_reasons=("Backups that lie only there can no longer be restored from here.",),
            way_back="Add the same place again under another name, and rebuild the catalogue from it.",
        )

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        row = _row(parameters["name"])
        asking.retirement(row)
        Store.objects.filter(pk=row.pk).update(retired_at=now(), is_default=False, changed_by=operation)
        audit.record(
            "store.retired", operation=operation, subject=row.name, data={"store": row.pk, "where": row.display}
        )
        return {"store": row.pk, "name": row.name}


def _row(name: str) -> Store:
    found = Store.objects.filter(name=name, retired_at=None).first()
    if found is None:
        raise Refused("unknown_store", f"There is no store called {name}.", "Look at the list of stores.")
    return found


def _no_default(operation: Operation) -> None:
    Store.objects.filter(is_default=True).update(is_default=False, changed_by=operation)


def _refuse_incomplete(parameters: Mapping[str, Any], fields: tuple[str, ...]) -> None:
    if missing := [name for name in fields if name not in parameters]:
        step = "Ask with `manage.py store` or on the page."
        raise Usage("missing_value", f"A value for {missing[0]} is needed.", step)


def _word(value: Any) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value) if value not in (None, "") else "none"


def _every_group() -> tuple[str, ...]:
    return tuple(OwnerGroup.objects.values_list("name", flat=True))
