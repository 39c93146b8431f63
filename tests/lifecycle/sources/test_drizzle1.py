"""Drizzle 1.x's folders and ledger: what it does was seen with drizzle-kit and drizzle-orm 1.0.0-rc.5."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import pytest

from lifecycle.sources.base import Folder, Place, State
from lifecycle.sources.drizzle import Drizzle
from lifecycle.sources.drizzle1 import Drizzle1
from lifecycle.sources.locale_order import in_locale_order
from opsconsole.exceptions import Refused
from tests.lifecycle.sources.contract import (
    APPLIED,
    MOMENT,
    ONE,
    PENDING,
    THREE,
    TWO,
    Like,
    SourceContract,
    Target,
)
from tests.lifecycle.sources.test_drizzle import folder_of as journal_of

SQLITE = Place(engine="sqlite", database="shop")
ZULU = Like(lambda value: isinstance(value, str) and len(value) == 24 and value[-5:-4] == "." and value[-1] == "Z", "Z")
FIRST = 1735689600000  # 2025-01-01 00:00:00 UTC in milliseconds


def folder_of(given: Mapping[str, str]) -> Folder:
    files = {f"{name}/migration.sql": text.encode() for name, text in given.items()}
    return Folder(name="drizzle", files=files | {f"{name}/snapshot.json": b"{}" for name in given})


class TestDrizzle1(SourceContract):
    source = Drizzle1()
    edited = State.EDITED
    after_failure = (PENDING, PENDING, PENDING)
    tables_after_failure = set()
    after_kill = (PENDING, PENDING, PENDING)
    tables_after_kill = set()

    def folder(self, *texts: str | None) -> Folder:
        names = [f"2025010100000{number}_x" for number in range(len(texts))]
        return folder_of({name: text for name, text in zip(names, texts, strict=True) if text is not None})

    def rows(self, target: Target, folder: Folder) -> list[dict[str, Any]]:
        return [
            {
                "id": number + 1,
                "hash": hashlib.sha256(folder.files[f"2025010100000{number}_x/migration.sql"]).hexdigest(),
                "created_at": FIRST + number * 1000,
                "name": f"2025010100000{number}_x",
                "applied_at": MOMENT if target.place.engine == "postgresql" else ZULU,
            }
            for number in range(3)
        ]

    def old(self, target: Target, given: Mapping[str, tuple[int, str]]) -> None:
        """Apply a journal of 0.x."""
        folder = journal_of(given, target.place.engine)
        Target(url=target.url, source=Drizzle(), place=target.place).apply(folder)

    def test_a_ledger_of_0_x_is_upgraded_by_time_and_then_by_hash(self, target: Target) -> None:
        self.old(
            target,
            {
                "a": (FIRST + 123, ONE),
                "b": (FIRST + 5001, TWO),
                "c": (FIRST + 5999, "SELECT 3"),
                "d": (FIRST + 9000, "SELECT 4"),
            },
        )
        folder = folder_of(
            {
                "20250101000000_a": ONE + "-- edited",
                "20250101000005_b": TWO,
                "20250101000005_c": "SELECT 3",
                "20250101010000_moved": "SELECT 4",
                "20250102000000_new": THREE,
            }
        )
        assert target.states(folder) == [State.EDITED, APPLIED, APPLIED, APPLIED, PENDING]
        assert "upgrades it" in target.status(folder)[0].sentence
        target.apply(folder)
        rows = target.raw(folder)
        assert [row["name"] for row in rows] == [
            f"2025010{rest}" for rest in ("1000000_a", "1000005_b", "1000005_c", "1010000_moved", "2000000_new")
        ]
        assert [row["applied_at"] is None for row in rows] == [True, True, True, True, False]
        assert [row["created_at"] for row in rows][:2] == [FIRST + 123, FIRST + 5001]  # as they were
        assert target.states(folder) == [State.EDITED, APPLIED, APPLIED, APPLIED, APPLIED]

    def test_an_old_row_that_fits_no_folder_ends_the_upgrade(self, target: Target) -> None:
        self.old(target, {"a": (FIRST, ONE), "gone": (FIRST + 60_000, TWO)})
        folder = folder_of({"20250101000000_a": ONE, "20250102000000_new": THREE})
        (refusal,) = target.source.refusals(target.status(folder), target.ledger(folder))
        assert refusal[0] == "rows_unmatched" and "1 of its rows" in refusal[1]
        with pytest.raises(Refused):
            target.source.apply(target.source.migrations(folder, target.place), target.ledger(folder), target.place, {})
        stranger = next(entry for entry in target.status(folder) if entry.state == State.UNKNOWN)
        target.do(target.source.forget(stranger, target.ledger(folder), target.place, {}))
        target.apply(folder)
        assert target.states(folder) == [APPLIED, APPLIED]

    def test_an_upgrade_stays_when_the_migrations_fail(self, target: Target) -> None:
        self.old(target, {"a": (FIRST, ONE)})
        folder = folder_of({"20250101000000_a": ONE, "20250102000000_new": "SELECT 1 FROM nowhere"})
        with pytest.raises(Exception, match="nowhere"):
            target.apply(folder)
        assert [row["name"] for row in target.raw(folder)] == ["20250101000000_a"]

    def test_a_row_without_a_name_would_run_its_file_again(self, target: Target) -> None:
        folder = self.folder(ONE, TWO)
        target.apply(self.folder(ONE))
        second = self.source.migrations(folder, target.place)[1]
        with target.script() as script:
            script.run(TWO)
            script.write(
                f"INSERT INTO {target.ledger(folder).table} (hash, created_at) VALUES (?, ?)",
                [second.sha256, FIRST + 1123],
            )
        assert target.states(folder) == [APPLIED, PENDING]
        assert self.source.refusals(target.status(folder), target.ledger(folder))[0][0] == "row_without_name"
        target.do(self.source.mark(second, target.ledger(folder), target.place, {}))
        assert self.source.refusals(target.status(folder), target.ledger(folder)) == []
        assert target.states(folder) == [APPLIED, APPLIED, State.UNKNOWN]

    def test_folders_run_out_of_order(self, target: Target) -> None:
        target.apply(self.folder(ONE, None, THREE))
        target.apply(self.folder(ONE, TWO, THREE))
        by_id = sorted(target.raw(self.folder()), key=lambda row: row["id"])
        assert [row["name"][-3:] for row in by_id] == ["0_x", "2_x", "1_x"]


def test_names_are_ordered_as_node_orders_them() -> None:
    node = "_a -a .a (a {a ~a 0 10 9 9a a A ä a_ a_b a-b a.b a0 ab aB Ab b B e é f z Z".split()  # noqa: SIM905
    assert in_locale_order(sorted(node)) == node


@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("20250101000000_a", FIRST),
        ("20251301000000_a", FIRST + 365 * 86_400_000),  # Date.UTC counts on
        ("20250101000060", FIRST + 60_000),
    ],
)
def test_a_folders_name_tells_its_time(name: str, time: int) -> None:
    assert Drizzle1().migrations(folder_of({name: ""}), SQLITE)[0].facts["time"] == time


@pytest.mark.parametrize(
    ("folder", "why"),
    [
        (folder_of({"first": ""}), "does not begin with a time"),
        (Folder(name="d", files={"meta/_journal.json": b"{}"}), "drizzle-kit up"),
    ],
)
def test_a_folder_that_drizzle_would_not_take_is_refused(folder: Folder, why: str) -> None:
    with pytest.raises(Refused) as refused:
        Drizzle1().migrations(folder, SQLITE)
    assert why in str(vars(refused.value))


def test_only_folders_with_their_file_count() -> None:
    given = {
        "20250101000000_a/migration.sql": b"",
        "20250102000000_b/snapshot.json": b"",
        "x.sql": b"",
        "a/b/migration.sql": b"",
    }
    found = Drizzle1().migrations(Folder(name="d", files=given), SQLITE)
    assert [each.name for each in found] == ["20250101000000_a"]
