"""How findings of checks say numbers of rows."""

from __future__ import annotations


def rows(count: int, table: str, margin: str = "") -> str:
    """`1 row of users`, `1,200 rows of users`; with a margin (see `Answer`), `About 1,200 rows of users`."""
    return f"{'About ' if margin else ''}{count:,} row{'s' * (count != 1)} of {table}"


def the_rows(count: int, margin: str = "") -> str:
    """`the row`, `the 1,200 rows`; `these rows`, when nobody counted them all."""
    if margin:
        return "these rows"
    return "the row" if count == 1 else f"the {count:,} rows"


def verb(count: int, plural: str, singular: str) -> str:
    """The form of a verb that fits so many."""
    return singular if count == 1 else plural
