"""How findings of checks say numbers and names."""

from __future__ import annotations

NOT_COMPARED = "a quick check compares it with no row of its table"  # of an index that seems sound


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


def many(count: int, noun: str, plural: str = "") -> str:
    """`1 index`, `3 indexes`."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def listed(names: list[str], most: int = 5) -> str:
    """`a, b and 3 more`; the first `most` by name."""
    shown, rest = names[:most], len(names) - most
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "")
