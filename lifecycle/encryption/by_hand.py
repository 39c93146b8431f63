"""The recipe of one backup with every line written out: a script that needs age, zstd and the database's own programs.

Nothing in it is a secret; what differs from place to place (folder, key, new database) comes from three variables.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from lifecycle.backups.manifest import Manifest
from lifecycle.formats.base import StoredObject


def script(made: Manifest) -> str:
    """What restores a backup without the console, for bash; a portable one is only decrypted and unpacked."""
    encrypted = any(item.encryption for item in made.contents.objects)
    given = {"FOLDER": f"STORE/{made.backup}", **({"KEY": "KEY.txt"} if encrypted else {})}
    lines = _lines(made)
    if made.engine == "postgresql" and made.contents.format != "json":
        given["NEW"] = "DATABASE"  # psql and pg_restore find its server by PGHOST, PGPORT, PGUSER and PGPASSWORD
    words = " ".join(f"{name}={value}" for name, value in given.items())
    head = [
        "#!/usr/bin/env bash",
        f"# {made.backup}: {made.rows} rows of {made.database}. Its hashes are in SHA256SUMS: compare them first.",
        f"# {words} bash {made.backup.rpartition('/')[2]}.sh",
        "set -euo pipefail",
        *(f': "${{{name}:?}}"' for name in given),
    ]
    return "\n".join([*head, *lines]) + "\n"


def _lines(made: Manifest) -> Iterator[str]:
    objects = {item.key: item for item in made.contents.objects}
    if made.contents.format == "json" or made.engine == "sqlite":
        yield from map(_into_a_file, objects.values())
        if made.contents.format != "json":
            yield "sqlite3 database.sqlite 'PRAGMA integrity_check'"
    elif made.contents.format == "custom":
        yield from map(_into_a_file, objects.values())
        yield 'pg_restore --no-owner -d "$NEW" database.dump'
    else:
        yield _into_a_file(objects["schema.dump"])
        yield 'pg_restore --section=pre-data --no-owner -d "$NEW" schema.dump'
        yield from _rows(made, objects)
        for name, state in made.contents.sequences.items():
            yield _psql(f"SELECT setval({_literal(name)}, {state})")
        yield 'pg_restore --section=post-data --no-owner -d "$NEW" schema.dump'


def _rows(made: Manifest, objects: dict[str, StoredObject]) -> Iterator[str]:
    for table in made.contents.tables:
        schema, _, name = table.name.partition(".")
        columns = ", ".join(map(_identifier, table.columns))
        for key in table.objects:
            form = "binary" if ".bin." in key else "text"
            into = f"COPY {_identifier(schema)}.{_identifier(name)} ({columns}) FROM STDIN (FORMAT {form})"
            yield f"{_read(objects[key])} | {_psql(into)}"


def _into_a_file(item: StoredObject) -> str:
    name = item.key.removesuffix(".zst") if item.compression == "zstd" else item.key
    folder = name.rpartition("/")[0]
    made = f"mkdir -p {shlex.quote(folder)}; " if folder else ""
    return f"{made}{_read(item)} > {shlex.quote(name)}"


def _read(item: StoredObject) -> str:
    stored = f'"$FOLDER"/{shlex.quote(item.key)}'
    opened = f'age -d -i "$KEY" {stored}' if item.encryption else f"cat {stored}"
    return f"{opened} | zstd -dc" if item.compression == "zstd" else opened


def _psql(statement: str) -> str:
    return f'psql -qAtX "$NEW" -c {shlex.quote(statement)}'


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
