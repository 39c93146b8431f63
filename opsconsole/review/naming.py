"""Conventions of names: of files, tables and indexes. They are worth a word, never a refusal."""

from __future__ import annotations

import re
from collections.abc import Iterable

from opsconsole.review.context import Context
from opsconsole.review.findings import Finding
from opsconsole.review.lexing import Token
from opsconsole.review.rules import RULES

_FILE = re.compile(r"\d{4}_[a-z0-9]+(?:_[a-z0-9]+)*(?:\.up|\.down)?\.sql")
_SNAKE = re.compile(r"[a-z_][a-z0-9_]*")


def review_names(names: Iterable[str]) -> tuple[Finding, ...]:
    """A finding for each file name that is not `NNNN_description.sql` (or `.up.sql`, `.down.sql`)."""
    rule = RULES["file-name"]
    return tuple(
        Finding(
            rule=rule.id,
            severity=rule.severity,
            statement=0,
            line=0,
            object=name,
            reason=f"{name} is not four digits, an underscore and words in small letters.",
            hint=rule.hint,
        )
        for name in names
        if not _FILE.fullmatch(name)
    )


def table(context: Context, name: str, token: Token) -> None:
    """A table should be in snake_case; `token` is its name as it is written."""
    bare = token.text.strip('"`[]')
    if not _SNAKE.fullmatch(bare):
        context.add("name-style", name, f"The name {bare} is not in snake_case.", token)


def index(context: Context, name: str, table: str, unique: bool, token: Token) -> None:
    """An index should say what it is over: `idx_users_email`; a unique one may be `users_email_key`."""
    bare, of = name.rpartition(".")[2], table.rpartition(".")[2]
    if name and not bare.startswith(f"idx_{of}_") and not unique:
        context.add("index-name", name, f"The index {bare} is not named idx_{of}_ and its columns.", token)
