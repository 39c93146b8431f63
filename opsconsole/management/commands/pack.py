"""`manage.py pack list|show|load`: what projects need, as data, and asking for it to be loaded into a database."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from opsconsole import packs
from opsconsole.management.console_command import ConsoleCommand, Options
from opsconsole.management.reporting import Exit, table
from opsconsole.models import Database
from opsconsole.packs import Outlook, Pack, loading
from opsconsole.permissions import visible_databases


class Command(ConsoleCommand):
    help = "List the packs, show what one holds, or ask for one to be loaded into a database."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = self.verbs(parser)
        self.verb(verbs, "list", self.list, "every pack, and the databases that have it")
        self.verb(verbs, "show", self.show, "all that one pack holds").add_argument("name")
        asking = self.verb(
            verbs,
            "load",
            self.load,
            "ask for a pack to be loaded; another person confirms it",
            'manage.py pack load avdaily savings --reason "as agreed"',
        )
        asking.add_argument("name")
        asking.add_argument("database")
        asking.add_argument("--over-edits", action="store_true", help="also replace what people changed since")
        asking.add_argument("--reason", default="")

    def list(self, options: Options) -> Exit:
        rows = Database.objects.all() if self.account is None else visible_databases(self.account)
        databases = list(rows.filter(removed_at=None).order_by("name"))
        loaded = loading.loaded_in(databases)
        found = []
        for pack in packs.every():
            where = [
                {"database": row.name, "version": each.version, "edited": list(each.edited)}
                for row in databases
                for each in loaded.get(row.pk, ())
                if each.pack == pack.name
            ]
            found.append({**_head(pack), "loaded": where})
        cells = [
            (
                each["name"],
                each["version"],
                each["title"],
                ", ".join(each["engines"]),
                ", ".join(f"{where['database']} ({where['version']})" for where in each["loaded"]),
            )
            for each in found
        ]
        self.answer({"packs": found}, table(("pack", "version", "of", "engines", "loaded into (version)"), cells))
        return Exit.OK

    def show(self, options: Options) -> Exit:
        pack = packs.get(options["name"])
        held = packs.contents(pack)
        text = [f"{pack.title}, version {pack.version}, for {' and '.join(pack.engines)}.", pack.about]
        for section, lines in held:
            text += ["", f"{section.label} ({len(lines)})", table(("name", "what"), lines)]
        sections = {section.name: [{"name": name, "says": says} for name, says in lines] for section, lines in held}
        self.answer({**_head(pack), "about": pack.about, "sections": sections}, "\n".join(text))
        return Exit.OK

    def load(self, options: Options) -> Exit:
        """What people changed since is named, and stays unless they ask for it to be replaced, too."""
        pack, database = packs.get(options["name"]), self.database_called(options["database"])
        over_edits = options["over_edits"]
        seen = loading.outlook(pack, database, over_edits=over_edits)
        if seen.kept:
            self.warn(f"These stay as people left them (--over-edits replaces them): {', '.join(seen.kept)}.")
        if seen.unfit:
            self.warn(f"{len(seen.unfit)} of them do not fit {database.name} as it is; the request says of each why.")
        asked = loading.load(
            pack, database, account=self.account, reason=options["reason"], over_edits=over_edits
        )  # fmt: skip
        return self.answer_operation(asked, pack=pack.label, **_names(seen))


def _head(pack: Pack) -> dict[str, Any]:
    return {"name": pack.name, "version": pack.version, "title": pack.title, "engines": list(pack.engines)}


def _names(seen: Outlook) -> dict[str, list[str]]:
    return {
        "added": list(seen.added), "replaced": list(seen.replaced), "removed": list(seen.removed),
        "kept": list(seen.kept), "same": list(seen.same),
        "unfit": [name for name, _ in seen.unfit],
    }  # fmt: skip
