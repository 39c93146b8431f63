"""References between tables, and which rows refer to a row that is not there, as SQL of either vendor."""

from __future__ import annotations

from dataclasses import dataclass

from integrity.checks.base import Moment, named, quoted


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Rows of `table` refer by `columns` to the row of `parent` that has the same values in `parent_columns`.

    A row with a NULL among its columns refers to nothing; with `full` (MATCH FULL) only one with nothing but NULLs.
    `collations` are those to compare by, in SQL, for columns that have another one than the parent's; empty for none.
    """

    table: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    full: bool = False
    collations: tuple[str, ...] = ()

    @property
    def tables(self) -> frozenset[str]:
        """Both ends."""
        return frozenset((self.table, self.parent))

    @property
    def subject(self) -> str:
        """`accounts.user_id -> users.id`."""
        return f"{side(self.table, self.columns)} -> {side(self.parent, self.parent_columns)}"

    @property
    def by(self) -> str:
        """The columns in words: `user_id`, `(shop, number)`."""
        return self.columns[0] if len(self.columns) == 1 else f"({', '.join(self.columns)})"


def side(table: str, columns: tuple[str, ...]) -> str:
    """One end of a reference: `users.id`, `orders (shop, number)`."""
    return f"{table}.{columns[0]}" if len(columns) == 1 else f"{table} ({', '.join(columns)})"


def unmet(moment: Moment, reference: Reference) -> str:
    """The condition over the alias t by which a row refers to a row that is not there.

    It compares as the vendor's own foreign keys do: in SQLite by the parent's collation and affinity (the unary plus
    takes the child's away), in PostgreSQL by the parent's collation and without rows of tables that inherit from it.
    """
    own = [f"t.{quoted(column)}" for column in reference.columns]
    sqlite = moment.vendor == "sqlite"
    only = "" if sqlite or moment.structure.relations[reference.parent].partitioned else "ONLY "
    compared = [f"+{column}" if sqlite else column for column in own]
    for place, collation in enumerate(reference.collations):
        compared[place] += f" COLLATE {collation}" if collation else ""
    pairs = zip(reference.parent_columns, compared, strict=True)
    same = " AND ".join(f"p.{quoted(theirs)} = {mine}" for theirs, mine in pairs)
    absent = f"NOT EXISTS (SELECT 1 FROM {only}{named(moment.structure, reference.parent)} AS p WHERE {same})"
    if reference.full and len(own) > 1:
        some, gap = (" OR ".join(f"{column} IS {what}" for column in own) for what in ("NOT NULL", "NULL"))
        return f"({some}) AND ({gap} OR {absent})"
    return " AND ".join([*(f"{column} IS NOT NULL" for column in own), absent])
