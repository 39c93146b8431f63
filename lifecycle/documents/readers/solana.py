"""Backups of the Solana starter kit: lists of rows with copies of their relations nested in them.

Each row counts once, from the list that owns it, without its nested copies. Follows and likes have no list of their own
and exist only nested, in several places, so they are gathered from there without doubles. Tables are named as in the
database, because their keys are its columns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from lifecycle.documents.base import Row
from lifecycle.documents.readers.json_shapes import Shape, moment, rows_at, shape_of, value_at, whole_of
from lifecycle.documents.reading import Findings, Heading, Reader, SourceFile
from opsconsole.exceptions import OperationFailed

Lists = Mapping[str, Callable[[], Iterator[Row]]]  # the rows of a list, from its beginning, by its name in the summary

OWNERS = {  # list -> table
    "users": "User",
    "comments": "Comment",
    "pointTransactions": "PointTransaction",
    "achievements": "Achievement",
    "userAchievements": "UserAchievement",
}
NESTED = {  # table -> relations, which are no columns
    "User": {
        "authoredComments", "profileComments", "followers", "following", "likes", "pointTransactions", "referrals",
        "achievements",
    },
    "Comment": {"author", "profile", "profileOwner", "likes"},
    "PointTransaction": {"user"},
    "Achievement": {"users", "userAchievements"},
    "UserAchievement": {"user", "achievement"},
    "Follow": {"follower", "following"},
    "Like": {"user", "comment"},
}  # fmt: skip
SOURCES = {  # table -> where it is nested: list and relation
    "Follow": (("users", "following"), ("users", "followers")),
    "Like": (("users", "likes"), ("comments", "likes")),
}
KEYS = {"Follow": ("followerId", "followingId"), "Like": ("id",)}
AT_ONCE = 250_000  # nested rows that are told apart at a time; more take another pass over the file
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z")


class SolanaSet(Reader):
    """`users-`, `comments-`, `points-` and `achievements-backup-STAMP.json`, and `backup-summary-STAMP.json`."""

    name = "solana-set"
    label = "Solana starter kit file set"

    def recognises(self, files: Sequence[SourceFile]) -> bool:
        roles = [_role(file, shape_of(file)) for file in files]
        is_named = all("-backup-" in file.name and STAMP.search(file.name) for file in files)
        return "summary" in roles or "users" in roles or (all(roles) and is_named)

    def rows(self, files: Sequence[SourceFile], findings: Findings) -> Iterator[tuple[str, Row | None]]:
        roles = {file.name: _role(file, shape_of(file)) for file in files}
        summaries = [file for file in files if roles[file.name] == "summary"]
        stamps = sorted({match[0] for file in files if roles[file.name] and (match := STAMP.search(file.name))})
        if len(summaries) > 1 or (not summaries and len(stamps) > 1):
            findings.refuse(
                "several_sets", f"There are several sets: {', '.join(stamps)}.", "Give the files of one of them."
            )
            return
        summary = _summary(summaries[0]) if summaries else None
        members = _members(files, roles, summary, findings)
        yield from _tables(_lists(members), dict(summary["counts"]) if summary else {}, findings)


class SolanaSingle(Reader):
    """One file from before the deletion of wallets: `{"timestamp", "purpose", "counts", "data": {"users": [...]}}`."""

    name = "solana-pre-deletion"
    label = "Solana starter kit backup before a deletion"

    def recognises(self, files: Sequence[SourceFile]) -> bool:
        shape = shape_of(files[0]) if len(files) == 1 else None
        return shape is not None and "purpose" in shape.said and (shape.first, shape.opens) in _SINGLE

    def rows(self, files: Sequence[SourceFile], findings: Findings) -> Iterator[tuple[str, Row | None]]:
        (file,) = files
        shape = shape_of(file)
        assert shape is not None
        findings.heading = Heading(exported_at=moment(shape.said.get("timestamp")), engine="postgresql")
        findings.warn(
            "incomplete_set",
            f"It holds only what its purpose asked for: {str(shape.said['purpose'])[:200]}.",
            "Restore it only by merging, knowing that it is a part.",
        )
        names = {"users": "users", "comments": "comments", "pointTransactions": "points"}
        if first := next(rows_at(file, "data", "achievements"), None):
            names["userAchievements" if "achievementId" in first else "achievements"] = "achievements"
        lists = {name: partial(rows_at, file, "data", inside) for name, inside in names.items()}
        if copies := sum(1 for _ in rows_at(file, "data", "referrals")):
            findings.warn("left_out", f"{copies} referrals are left out: they are copies of users.")
        said = value_at(file, "counts")
        counts = {name: said[inside] for name, inside in names.items() if isinstance(said, dict) and inside in said}
        yield from _tables(lists, counts, findings)


_SINGLE = {("counts", "{"), ("data", "{")}


def _role(file: SourceFile, shape: Shape | None) -> str:
    """Which file of a set it is, by its content; "" when it is none. Only an empty list has to be believed its name."""
    if shape is None or "purpose" in shape.said:
        return ""
    if not shape.is_list:
        if (shape.first, shape.opens) == ("counts", "{") and "timestamp" in shape.said:
            return "summary"
        return "achievements" if shape.first in {"achievements", "userAchievements"} and not shape.said else ""
    for role, columns in _MARKS.items():
        if columns <= shape.sample.keys() or (shape.is_empty and file.name.startswith(f"{role}-backup-")):
            return role
    return ""


_MARKS = {
    "users": {"privyDid", "username"},
    "comments": {"authorId", "profileId", "text"},
    "points": {"userId", "points", "actionType"},
}


def _summary(file: SourceFile) -> Mapping[str, Any]:
    summary = whole_of(file)
    if not isinstance(summary.get("counts"), dict) or not isinstance(summary.get("files"), list):
        raise OperationFailed("unreadable", f"{file.name} is no summary of a set.", "Fetch it again.")
    return summary


def _members(
    files: Sequence[SourceFile], roles: Mapping[str, str], summary: Mapping[str, Any] | None, findings: Findings
) -> dict[str, SourceFile]:
    """The files of the one set, by role; what is missing of it and what is not of it is told."""
    wanted = {str(name) for name in summary["files"]} if summary else {name for name, role in roles.items() if role}
    members = {roles[file.name]: file for file in files if file.name in wanted and roles[file.name]}
    chosen = [file.name for file in files if file.name in wanted]
    if unknown := [name for name in chosen if not roles[name]]:
        findings.refuse("file_unknown", f"Not what it should be: {', '.join(unknown)}.", "Fetch it again.")
    elif len(members) != len(chosen):
        findings.refuse("several_sets", f"Some are there twice: {', '.join(chosen)}.", "Give the files of one set.")
    said_at = summary.get("backupDate") or summary.get("timestamp") if summary else _stamp_of(wanted)
    findings.heading = Heading(exported_at=moment(said_at), engine="postgresql")
    missing = sorted(wanted - roles.keys()) if summary else ["its summary"]
    missing += [role for role in (*_MARKS, "achievements") if role not in members and not summary]
    if missing:
        findings.warn(
            "incomplete_set",
            f"The set is not complete: {', '.join(missing)} missing. What is nested elsewhere of these is left out.",
            "Restore it only knowing that; what it does not hold stays as it is or comes from elsewhere.",
        )
    others = sorted(name for name, role in roles.items() if name not in wanted and role != "summary")
    if others:
        findings.warn("left_out", f"Not of this set, and left out: {', '.join(others[:20])}.")
    return members


def _stamp_of(names: set[str]) -> str:
    return next((match[0] for name in sorted(names) if (match := STAMP.search(name))), "")


def _lists(members: Mapping[str, SourceFile]) -> Lists:
    lists: dict[str, Callable[[], Iterator[Row]]] = {}
    for role, name in (("users", "users"), ("comments", "comments"), ("points", "pointTransactions")):
        if role in members:
            lists[name] = partial(rows_at, members[role])
    if "achievements" in members:
        for name in ("achievements", "userAchievements"):
            lists[name] = partial(rows_at, members["achievements"], name)
    return lists


def _tables(lists: Lists, counts: Mapping[str, Any], findings: Findings) -> Iterator[tuple[str, Row | None]]:
    """Every table that the lists cover, each list against the number of rows that the backup says it has."""
    nested = dict.fromkeys(SOURCES, 0)
    for name, table in OWNERS.items():
        if name not in lists:
            continue
        yield table, None
        found = 0
        for row in lists[name]():
            found += 1
            for derived, sources in SOURCES.items():
                nested[derived] += sum(len(_inner(row, *source)) for source in sources if source[0] == name)
            yield table, _own(table, row)
        if name in counts and counts[name] != found:
            findings.refuse(
                "counts_differ",
                f"There are {found} {name}, and the summary says {counts[name]}.",
                "Use a copy that nobody has changed.",
            )
    for derived, sources in SOURCES.items():
        if any(owner in lists for owner, _ in sources):
            yield derived, None
            for row in _distinct(lists, derived, nested[derived], findings):
                yield derived, row


def _distinct(lists: Lists, table: str, total: int, findings: Findings) -> Iterator[Row]:
    """The nested rows of a table, each once, in passes of which each remembers a part of the keys."""
    passes = 1 + total // AT_ONCE
    differing = 0
    for turn in range(passes):
        seen: dict[tuple[object, ...], int] = {}
        for row in _nested(lists, table):
            key = _key(table, row)
            if hash(key) % passes != turn:
                continue
            content = hash(tuple(sorted((name, str(value)) for name, value in row.items())))
            if key not in seen:
                seen[key] = content
                yield row
            elif seen[key] != content:
                differing += 1
    if differing:
        findings.warn(
            "copies_differ",
            f"{differing} copies of rows of {table} differ from the first one, which was taken.",
            "Look at them if they matter.",
        )


def _nested(lists: Lists, table: str) -> Iterator[Row]:
    for owner, relation in SOURCES[table]:
        for row in lists[owner]() if owner in lists else ():
            for item in _inner(row, owner, relation):
                yield _own(table, item)


def _inner(row: Row, owner: str, relation: str) -> list[Row]:
    """The rows that are nested in one. Raises OperationFailed("unreadable") for anything else."""
    inner = row.get(relation) or []
    if not isinstance(inner, list) or not all(isinstance(item, dict) for item in inner):
        raise OperationFailed("unreadable", f"{relation} of {owner} is no list of rows.", "Fetch the file again.")
    return inner


def _key(table: str, row: Row) -> tuple[object, ...]:
    key = tuple(row.get(column) for column in KEYS[table])
    if not all(isinstance(part, str | int) for part in key):
        raise OperationFailed("unreadable", f"A nested row of {table} has no key.", "Fetch the file again.")
    return key


def _own(table: str, row: Row) -> Row:
    """A row without the copies of its relations."""
    return {name: value for name, value in row.items() if name not in NESTED[table]}
