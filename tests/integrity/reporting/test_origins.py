"""What people's SQL computes is masked where it may tell a masked column's value, under whatever name."""

from __future__ import annotations

import pytest

from integrity.reporting.origins import reads_masked
from opsconsole.engines.structure import Field, Relation, Structure

FIELDS = tuple(Field(name=name, type="text", family="text") for name in ("id", "password", "note"))
USERS = Structure(relations={"public.users": Relation(schema="public", name="users", fields=FIELDS)})


@pytest.mark.parametrize(
    ("sql", "configured", "told"),
    [
        ("t.password", (), True),
        ("(SELECT max(u.\"PASSWORD\") FROM users AS u)", (), True),
        ("left(t::text, 9)", (), True),
        ("to_json(t)", (), True),
        ("t.note || t.id", (), False),
        ("t.note", ("users.note",), True),
        ("t.password_hint_shown_at", (), False),
    ],
)  # fmt: skip
def test_names_and_whole_rows_are_seen(sql: str, configured: tuple[str, ...], told: bool) -> None:
    assert reads_masked(sql, USERS, configured) is told
