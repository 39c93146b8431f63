"""Is an unpacked or restored SQLite file what the backup holds?"""

from __future__ import annotations

from lifecycle.formats.base import PART, Contents
from opsconsole.engines.sqlite.examine import Examination, TableFacts


def differences(found: Examination, contents: Contents) -> list[str]:
    """How a file that was looked through differs from the manifest, in words; contents only where they were digested.

    Rows that broke a foreign key when the backup was taken may do so still; sequences are compared by their values.
    """
    if found.damage:
        return list(found.damage)
    there = {table.name: table for table in found.tables}
    expected = {table.name: (table.rows, table.digest) for table in contents.tables}
    part = bool(contents.source.get(PART))  # then nothing is known of other tables, nor of keys that lead into them
    names = sorted(expected if part else {**expected, **there})
    named = ((name, *expected.get(name, (None, "")), there.get(name)) for name in names)
    words = [_difference(*table) for table in named]
    orphans = int(contents.snapshot.get("foreign_key_violations", 0))
    if found.orphans > orphans and not part:
        words.append(f"{found.orphans} rows break a foreign key, {orphans} did when it was taken")
    for name in sorted({**contents.sequences, **found.sequences}):
        wanted, value = contents.sequences.get(name), found.sequences.get(name)
        if wanted != value:
            words.append(f"the sequence of {name} is at {value or 'nothing'} instead of {wanted or 'nothing'}")
    if found.fingerprint != contents.schema_fingerprint:
        words.append("its schema is another one")
    return [word for word in words if word]


def row_differences(found: Examination, other: Examination) -> list[str]:
    """How the tables of one file differ from those of another, in words."""
    there, wanted = ({table.name: table for table in each.tables} for each in (found, other))
    words = []
    for name in sorted({**there, **wanted}):
        rows, digest = (wanted[name].rows, wanted[name].digest) if name in wanted else (None, "")
        words.append(_difference(name, rows, digest, there.get(name)))
    return [word for word in words if word]


def _difference(name: str, rows: int | None, digest: str, there: TableFacts | None) -> str:
    if there is None or rows is None or there.rows != rows:
        has = there.rows if there else "no"
        return f"{name} has {has} rows instead of {'none' if rows is None else rows}"
    same = not (digest and there.digest) or digest == there.digest
    return "" if same else f"rows of {name} have other values than in the backup"
