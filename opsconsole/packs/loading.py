"""Loading a pack into a database: each app's one guarded change, that another person confirms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opsconsole import operations
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Account, Database, Operation
from opsconsole.packs.registry import Loaded, Loader, Outlook, contents, loaders
from opsconsole.packs.values import Pack


def outlook(pack: Pack, database: Database, *, over_edits: bool = False) -> Outlook:
    """What loading would do. Raises Usage, and Refused when the pack is not for that engine or not understood."""
    return _loader(pack, database).outlook(pack, database, over_edits=over_edits)


def load(
    pack: Pack, database: Database, *, account: Account | None, reason: str = "", over_edits: bool = False
) -> Operation:
    """Ask for the change that loads it. Raises Usage when there is nothing to change, else like `outlook`."""
    loader = _loader(pack, database)
    seen = loader.outlook(pack, database, over_edits=over_edits)
    if not seen.changes:
        kept = f" What people changed stays: {', '.join(seen.kept)}." if seen.kept else ""
        raise Usage(
            "nothing_to_do",
            f"{database.name} has everything of {pack.label} already.{kept}",
            "Ask for the edited ones to be replaced, too." if seen.kept else "",
        )
    return operations.request_change(loader.action, seen.parameters, account=account, reason=reason)


def loaded_in(databases: Sequence[Database]) -> Mapping[int, tuple[Loaded, ...]]:
    """What each database has of packs, by its id."""
    found: dict[int, tuple[Loaded, ...]] = {}
    for loader in loaders():
        for key, some in loader.loaded(databases).items():
            found[key] = (*found.get(key, ()), *some)
    return found


def _loader(pack: Pack, database: Database) -> Loader:
    if database.engine not in pack.engines:
        raise Refused(
            "wrong_engine",
            f"The pack {pack.name} is for {' and '.join(pack.engines)}; {database.name} is a database of"
            f" {database.engine}.",
            "Load it into a database of that engine.",
        )
    held = {section.name for section, _ in contents(pack)}
    (loader,) = (each for each in loaders() if held & {section.name for section in each.sections})
    return loader
