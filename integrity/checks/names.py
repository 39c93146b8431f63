"""What the names and types of tables and columns tell: a column called user_id means the table users."""

from __future__ import annotations

from collections.abc import Sequence

from opsconsole.engines.sqlite.affinity import affinity
from opsconsole.engines.structure import Field
from opsconsole.masking import words_of

PEOPLE = ("user", "person", "member", "customer", "employee", "admin", "author", "player", "subscriber")


def is_table_of(table: str, thing: Sequence[str]) -> bool:
    """Whether a table (its bare name) is called after the thing: User, users, order_categories."""
    words = words_of(table)
    if not thing or not words or words[:-1] != list(thing[:-1]):
        return False
    one = thing[-1]
    many = {one, f"{one}s", f"{one}es", f"{one[:-1]}ies" if one.endswith("y") else one}
    return words[-1] in many or (one, words[-1]) in (("person", "people"), ("child", "children"))


def is_table_of_people(table: str) -> bool:
    """Whether each row is somebody."""
    return any(is_table_of(table, (one,)) for one in PEOPLE)


def same_type(vendor: str, one: Field, other: Field) -> bool:
    """Whether values of both mean the same: whole numbers of any size, texts of any length, else one type."""
    if vendor == "sqlite":
        return affinity(one.type) == affinity(other.type)
    return one.bare == other.bare or (one.family == other.family and one.family in ("integer", "text"))


def is_text(vendor: str, field: Field) -> bool:
    """Whether it is declared to hold texts."""
    return affinity(field.type) == "TEXT" if vendor == "sqlite" else field.family == "text"
