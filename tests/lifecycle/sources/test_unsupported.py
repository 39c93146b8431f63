"""Tools that are recognised and refused: nobody is left with a folder and no word about it."""

from __future__ import annotations

import pytest

from lifecycle.sources.base import Folder, Place
from lifecycle.sources.detection import detect
from lifecycle.sources.ledgers import FoundLedger
from lifecycle.sources.unsupported import UNSUPPORTED
from opsconsole.exceptions import Refused

HERE = Place(engine="postgresql", database="shop")
FOLDERS = {
    "alembic": {"env.py": "", "alembic.ini": "", "versions/1a_first.py": ""},
    "django": {"__init__.py": "", "0001_initial.py": ""},
    "effect": {"0001_first.ts": ""},
    "flyway": {"V1__first.sql": "SELECT 1;"},
    "goose": {"00001_first.sql": "-- +goose Up\nSELECT 1;"},
}


@pytest.mark.parametrize("name", sorted(FOLDERS))
def test_the_folder_of_a_refused_tool_is_recognised_and_says_what_to_do(name: str) -> None:
    folder = Folder(name="repo", files={f"m/{path}": text.encode() for path, text in FOLDERS[name].items()})
    told = next(tool for tool in UNSUPPORTED if tool.name == name)
    ledger = FoundLedger(tool=name, schema="public", table="t", usual=True)
    for found in ([], [ledger]):
        with pytest.raises(Refused) as refused:
            detect(folder, found, HERE)
        assert (refused.value.code, refused.value.why, refused.value.next_step) == ("tool_refused", told.why, told.next)
    with pytest.raises(Refused, match=told.why[:30]):
        detect(folder, [], HERE, tool=name)


def test_every_refused_tool_has_its_folder_here() -> None:
    assert sorted(FOLDERS) == [tool.name for tool in UNSUPPORTED]
