"""The change that lists what lies in a store: it carries exactly the backups that were looked at for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lifecycle.backups import catalogue
from lifecycle.retention import passing
from opsconsole import stores
from opsconsole.changes import Change, Draft
from opsconsole.changes.values import names, text
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Database, Operation
from opsconsole.plans import Effect, digest_of
from opsconsole.verify_audit import canonical_json

REBUILD = "store.rebuild"


class Rebuild(Change):
    """List the backups of a store. `renamed` are databases with another name here: THEIRS=OURS, with commas."""

    name = REBUILD
    label = "Rebuild the catalogue from a store"
    fields = ("store", "renamed")

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        store = text(parameters, "store")
        entries = catalogue.look(store, renames(names(parameters, "renamed")))
        found = catalogue.to_list(entries)
        if not found:
            refused = sum(entry.state == "refused" for entry in entries)
            raise Refused(
                "nothing_to_list", f"Nothing in the store {store} could be listed that is not; {refused} are refused.",
                f"See why: manage.py store rebuild {store} --dry-run.",
            )  # fmt: skip
        databases = Database.objects.filter(name__in={entry.database for entry in found}).select_related("owner_group")
        carried = [catalogue.as_json(entry) for entry in found]
        foreign = sorted({str(entry.facts["console"]) for entry in found if entry.facts and entry.facts.get("console")})
        return Draft(
            summary=f"{len(found)} backups that lie in the store {store} are listed here and may be restored.",
            parameters={"store": store, "entries": carried},
            effects=tuple(
                Effect(object=f"backups of {database.name}", action="created",
                       note=f"{sum(entry.database == database.name for entry in found)} found in {store}")
                for database in databases
            ),
            facts=(f"store/{store}",) if store != stores.LOCAL else (),
            owner_groups=tuple(sorted({database.owner_group.name for database in databases})),
            databases=tuple(database.pk for database in databases),
            risk="medium",
            risk_reasons=(
                *(f"{entry.folder}: {entry.reason} It counts as the oldest." for entry in found if entry.reason),
                *(f"Those of the console {console} are believed because its key is trusted." for console in foreign),
                f"What is listed: {digest_of(canonical_json(carried))}.",
            ),
            way_back="The store is not changed. What is not wanted can expire; no rule deletes it unseen.",
        )  # fmt: skip

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        made = list(catalogue.adopt(operation, parameters["store"], parameters["entries"]))
        if any(entry["state"] == "new" for entry in parameters["entries"]):
            passing.pause(f"Backups were listed that lie in the store {parameters['store']}: look at what would go.")
        return {"store": parameters["store"], "backups": made}


def renames(given: list[str]) -> dict[str, str]:
    """`THEIRS=OURS` as {theirs: ours}. Raises Usage."""
    pairs = [pair.partition("=") for pair in given]
    if wrong := [theirs for theirs, sign, ours in pairs if not (theirs and sign and ours)]:
        raise Usage("bad_value", f"{wrong[0]!r} names no two databases.", "Write THEIRS=OURS.")
    return {theirs: ours for theirs, _, ours in pairs}
