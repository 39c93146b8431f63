"""Migrations for a D1 that lies at Cloudflare: the approved files as one tar, and the commands of their tool.

Nothing is stored for it. The tar is made of the sealed plan whenever somebody fetches it, and is the same each time.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Mapping, Sequence
from typing import Any

from lifecycle.migrating.planning import Seen, Subject
from lifecycle.sources.acts import Unit, unit_from
from lifecycle.sources.base import Migration
from opsconsole.exceptions import OperationFailed, Refused, Usage
from opsconsole.kinds import Request
from opsconsole.plans import Plan

TOOL = "wrangler"
FOLDER = "migrations"
README, SUMS = "README.txt", "SHA256SUMS"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


def refuse_others(subject: Subject, seen: Seen) -> None:
    """Raise Refused for what is not wrangler's, or no D1."""
    name = subject.database.name
    if subject.source.name != TOOL:
        raise Refused(
            "not_by_wrangler",
            f"Only wrangler reaches a D1 that lies at Cloudflare, and this folder is {subject.source.label}'s.",
            "Give tool=wrangler if wrangler applies these files.",
        )
    if not seen.place.d1:
        raise Refused(
            "not_d1",
            f"{name} is an SQLite file that nothing marks as a D1 database.",
            "Register the file that was made of an export of the D1, with ?flavour=d1 in its address.",
        )


def name_of(request: Request) -> str:
    """What the database is called at Cloudflare. Raises Usage for what no database there is called."""
    name = request.parameters["d1_name"] or request.database.name
    if not _NAME.fullmatch(name):
        raise Usage(
            "bad_value", f"{name!r} is no name of a D1 database.", "Write the database_name of its wrangler.toml."
        )
    return name


def exact_texts(units: Sequence[Unit], chosen: Sequence[Migration]) -> dict[str, str]:
    """Files whose units do not hold their very text (wrangler takes BEGIN TRANSACTION out of them), by key."""
    run = {act.migration: act.sql for unit in units for act in unit.scripts}
    return {each.key: each.text for each in chosen if run.get(each.key) != each.text}


def commands(name: str) -> list[str]:
    """What is typed in the project, in this order: list, bookmark, apply, export."""
    return [
        f"npx wrangler d1 migrations list {name} --remote",
        f"npx wrangler d1 time-travel info {name}",
        f"npx wrangler d1 migrations apply {name} --remote",
        f"npx wrangler d1 export {name} --remote --output=export.sql",
    ]


def readme(database: str, name: str, chosen: Sequence[Migration]) -> list[str]:
    """The lines that go with the files."""
    listing, bookmark, applying, exporting = commands(name)
    many = f"these {len(chosen)} files" if len(chosen) > 1 else "this file"
    return [
        f"Migrations of the D1 database {name}, reviewed and approved in the Ops Console as {database}.",
        "Nothing of them has been run.",
        "",
        f"1. Compare: sha256sum -c {SUMS}",
        f"2. In the project whose wrangler.toml names the database, see that its migrations folder has {many},",
        "   byte for byte, and no other one that is not applied yet:",
        *(f"       {each.name}" for each in chosen),
        f"3. {listing}",
        f"   It must list {many} and no other. If it does not, stop: something else was approved.",
        f"4. {bookmark}",
        "   Write the bookmark down. Time Travel restores it: that is the way back.",
        f"5. {applying}",
        f"6. {exporting}",
        f"7. manage.py operate compare {database} --set file=export.sql",
        "   The console tells whether the export is what these migrations were reviewed to make.",
    ]


def files(given: Mapping[str, Any]) -> dict[str, bytes]:
    """The migrations of a plan by name, each compared with its digest. Raises OperationFailed."""
    units = [unit_from(unit) for unit in given["units"]]
    texts = {act.migration: act.sql for unit in units for act in unit.scripts} | dict(given["exact"])
    found = {each["key"]: texts[each["key"]].encode() for each in given["migrations"]}
    for each in given["migrations"]:
        if hashlib.sha256(found[each["key"]]).hexdigest() != each["sha256"]:
            raise OperationFailed(
                "digest_mismatch",
                f"The plan does not hold {each['name']} as it was reviewed.",
                "Verify the audit history, then ask again.",
            )
    return found


def archive(given: Mapping[str, Any]) -> bytes:
    """The tar of a plan's parameters: migrations/, README.txt and SHA256SUMS. Equal for equal parameters."""
    migrations = {f"{FOLDER}/{name}": data for name, data in files(given).items()}
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {path}\n" for path, data in migrations.items())
    texts = {README: "\n".join([*given["readme"], ""]).encode(), SUMS: sums.encode()}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, data in {**texts, **migrations}.items():
            member = tarfile.TarInfo(path)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def result(plan: Plan) -> tuple[str, dict[str, Any]]:
    """What is said once they are handed out: a sentence, and data."""
    given, packed = plan.parameters, archive(plan.parameters)
    names = [each["name"] for each in given["migrations"]]
    what = f"{len(names)} migrations are" if len(names) > 1 else f"Migration {names[0]} is"
    said = f"{what} handed over for {given['d1_name']}; nothing was run."
    return said, {"migrations": names, "sha256": digest(packed), "bytes": len(packed)}
