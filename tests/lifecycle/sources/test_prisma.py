"""Prisma's folders and ledger: what it does was seen with prisma 6.19."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pytest

from lifecycle.migrating.running import state
from lifecycle.sources.base import Folder, Ledger, Place, State
from lifecycle.sources.prisma import Prisma
from opsconsole.engines.scripting import Patience, ScriptFailed
from opsconsole.exceptions import Refused
from tests.lifecycle.sources.contract import (
    APPLIED,
    BROKEN,
    MOMENT,
    ONE,
    PENDING,
    THREE,
    TWO,
    Like,
    SourceContract,
    Target,
)

PG = Place(engine="postgresql", database="shop")
SQLITE = Place(engine="sqlite", database="shop")
UUID4 = Like(lambda value: isinstance(value, str) and len(value) == 36 and value[14] == "4", "a UUID4")
OFFSET = Like(
    lambda value: isinstance(value, str) and len(value) == 29 and value.endswith("+00:00"), "text with offset"
)


def folder_of(given: Mapping[str, str], provider: str = "", **more: bytes) -> Folder:
    files = {f"{name}/migration.sql": text.encode() for name, text in given.items()}
    lock = {"migration_lock.toml": f'# generated\nprovider = "{provider}"\n'.encode()} if provider else {}
    return Folder(name="migrations", files=files | lock | more)


class TestPrisma(SourceContract):
    source = Prisma()
    edited = State.EDITED
    after_failure = (APPLIED, State.HALF, PENDING)
    after_kill = (APPLIED, State.HALF, PENDING)
    tables_after_kill = {"notes", "tags"}

    @pytest.fixture(autouse=True)
    def _tables(self, request: pytest.FixtureRequest) -> None:
        """On PostgreSQL a script is one simple query; on SQLite what stands before the failing statement stays."""
        target = request.getfixturevalue("target")
        self.tables_after_failure = {"notes", "half"} if target.place.engine == "sqlite" else {"notes"}  # type: ignore[misc]
        self.time = OFFSET if target.place.engine == "sqlite" else MOMENT

    def folder(self, *texts: str | None) -> Folder:
        names = [f"2025010100000{number}_x" for number in range(len(texts))]
        return folder_of({name: text for name, text in zip(names, texts, strict=True) if text is not None})

    def row(self, text: str, number: int, **other: Any) -> dict[str, Any]:
        return {
            "id": UUID4,
            "checksum": hashlib.sha256(text.encode()).hexdigest(),
            "finished_at": self.time,
            "migration_name": f"2025010100000{number}_x",
            "logs": None,
            "rolled_back_at": None,
            "started_at": self.time,
            "applied_steps_count": 1,
            **other,
        }

    def rows(self, target: Target, folder: Folder) -> list[dict[str, Any]]:
        rows = [self.row(text, number) for number, text in enumerate((ONE, TWO, THREE))]
        assert len({row["id"] for row in target.raw(folder)}) == 3
        return rows

    def test_a_failure_is_kept_with_its_reason_and_stops_everything(self, target: Target) -> None:
        folder = self.folder(ONE, BROKEN, THREE)
        with pytest.raises(ScriptFailed):
            target.apply(folder)
        why = Like(lambda value: "nowhere" in str(value), "the database's own message")
        assert target.raw(folder)[1:] == [self.row(BROKEN, 1, finished_at=None, logs=why, applied_steps_count=0)]
        (refusal,) = self.source.refusals(target.status(folder), target.ledger(folder))
        assert (
            refusal[0] == "migration_failed"
            and "P3009" in refusal[1]
            and "nowhere" in target.status(folder)[1].sentence
        )

    def test_a_failed_one_is_rolled_back_and_applied_anew_with_a_row_of_its_own(self, target: Target) -> None:
        broken = self.folder(ONE, BROKEN)
        with pytest.raises(ScriptFailed):
            target.apply(broken)
        target.do(self.source.forget(target.status(broken)[1], target.ledger(broken), target.place, {}))
        mended = self.folder(ONE, TWO)
        assert target.states(mended) == [APPLIED, State.UNDONE]
        with pytest.raises(Refused, match="P3012"):
            self.source.forget(target.status(mended)[1], target.ledger(mended), target.place, {})
        target.apply(mended)
        assert target.states(mended) == [APPLIED, APPLIED]
        assert [row["rolled_back_at"] is not None for row in target.raw(mended)] == [False, True, False]

    def test_a_failed_one_is_marked_as_applied_in_one_go(self, target: Target) -> None:
        folder = self.folder(ONE, BROKEN)
        with pytest.raises(ScriptFailed):
            target.apply(folder)
        target.do(self.source.mark(target.status(folder)[1].migration, target.ledger(folder), target.place, {}))  # type: ignore[arg-type]
        *_, failed, marked = target.raw(folder)
        assert failed["rolled_back_at"] == self.time and failed["finished_at"] is None
        assert marked == self.row(BROKEN, 1, logs="", applied_steps_count=0)
        assert marked["started_at"] == marked["finished_at"]
        assert "without being run" in target.status(folder)[1].sentence

    def test_a_database_with_tables_needs_a_baseline(self, target: Target) -> None:
        with target.script() as script:
            script.run(ONE)
        folder = self.folder(ONE, TWO)
        (refusal,) = self.source.refusals(target.status(folder), target.ledger(folder))
        assert "P3005" in refusal[1]
        target.do(self.source.mark(target.status(folder)[0].migration, target.ledger(folder), target.place, {}))  # type: ignore[arg-type]
        assert self.source.refusals(target.status(folder), target.ledger(folder)) == []
        target.apply(folder)
        assert target.states(folder) == [APPLIED, APPLIED]

    def test_views_alone_are_no_tables(self, target: Target) -> None:
        with target.script() as script:
            script.run("CREATE VIEW v AS SELECT 1 AS one")
        assert self.source.refusals([], target.ledger(self.folder(ONE))) == []

    def test_forgetting_an_applied_one_is_outside_the_tool(self, target: Target) -> None:
        folder = self.folder(ONE)
        target.apply(folder)
        unit = self.source.forget(target.status(folder)[0], target.ledger(folder), target.place, {})
        assert "no command of its own" in unit.title
        target.do(unit)
        assert target.raw(folder) == []

    def test_line_ends_alone_are_no_edit(self, target: Target) -> None:
        target.apply(self.folder(TWO.replace("REFERENCES notes(id)", "")))
        told = target.states(self.folder(TWO.replace("REFERENCES notes(id)", "").replace("\n", "\r\n")))
        assert told == [APPLIED]

    def test_rows_without_folders_do_not_stop_it_unless_they_failed(self, target: Target) -> None:
        target.apply(self.folder(ONE, TWO, THREE))
        folder = self.folder(ONE)
        assert target.states(folder) == [APPLIED, State.UNKNOWN, State.UNKNOWN]
        assert self.source.refusals(target.status(folder), target.ledger(folder)) == []
        with target.script() as script:
            script.write(
                "UPDATE _prisma_migrations SET finished_at = NULL WHERE migration_name = ?", ["20250101000002_x"]
            )
        assert target.states(folder) == [APPLIED, State.UNKNOWN, State.HALF]
        assert "20250101000002_x" in self.source.refusals(target.status(folder), target.ledger(folder))[0][1]

    def test_a_transaction_that_a_script_leaves_open_leaves_a_failed_row(self, target: Target) -> None:
        folder = self.folder(ONE, f"BEGIN;\n{TWO}")
        with pytest.raises(ScriptFailed, match="did not end it"):
            target.apply(folder)
        assert target.states(folder) == [APPLIED, State.HALF]
        assert target.tables() == {"notes"}

    def test_a_transaction_of_its_own_that_fails_leaves_its_reason(self, target: Target) -> None:
        folder = self.folder(ONE, f"BEGIN;\n{TWO}INSERT INTO nowhere VALUES (1);\nCOMMIT;")
        with pytest.raises(ScriptFailed, match="nowhere"):
            target.apply(folder)
        assert "nowhere" in target.raw(folder)[1]["logs"] and target.tables() == {"notes"}

    def test_a_folder_without_its_file_stops_it_there(self, target: Target) -> None:
        folder = folder_of({"1_a": ONE, "3_c": THREE}, **{"2_b/notes.txt": b"", "stray.sql": b"", "readme": b""})
        assert [entry.name for entry in target.status(folder)] == ["1_a", "2_b", "3_c"]
        assert "P3015" in target.status(folder)[1].sentence
        files = self.source.migrations(folder, target.place)
        assert self.source.remarks(files, target.place)[0][0] == "2_b"
        with pytest.raises(Refused, match="P3015"):
            self.source.apply(files, target.ledger(folder), target.place, {})
        for unit in self.source.apply(files[:1], target.ledger(folder), target.place, {}):
            target.do(unit)
        assert target.states(folder) == [APPLIED, PENDING, PENDING]

    def test_times_are_written_as_the_ledger_has_them(self, target: Target) -> None:
        target.apply(self.folder(ONE))
        if target.place.engine == "sqlite":  # the native engine counts milliseconds
            with target.script() as script:
                script.write("UPDATE _prisma_migrations SET started_at = 1735689600000, finished_at = 1735689600001")
        folder = self.folder(ONE, TWO)
        assert target.states(folder) == [APPLIED, PENDING]
        target.apply(folder)
        first, second = target.raw(folder)
        assert type(first["finished_at"]) is type(second["finished_at"]) and target.states(folder) == [APPLIED, APPLIED]


def test_a_script_is_one_simple_query_on_postgresql(postgres: Any) -> None:
    target = Target(url=postgres.url(postgres.create_database()), source=Prisma(), place=PG)
    index = "CREATE INDEX CONCURRENTLY notes_body_idx ON notes (body);"
    target.apply(folder_of({"1": ONE, "2": index}))
    with pytest.raises(ScriptFailed, match="cannot run inside a transaction"):
        target.apply(folder_of({"1": ONE, "2": index, "3": f"{index.replace('notes_body', 'other')}SELECT 1;"}))
    failed = target.status(folder_of({"3": ""}))[-1]
    target.do(Prisma().forget(failed, target.ledger(folder_of({})), PG, {}))
    with pytest.raises(ScriptFailed, match="nowhere"):
        target.apply(folder_of({"1": ONE, "2": index, "3": f"BEGIN;{TWO}COMMIT;INSERT INTO nowhere VALUES (1);"}))
    assert target.tables() == {"notes", "tags"}  # what it had committed itself stays


def test_names_need_no_number_and_are_ordered_as_node_orders_them() -> None:
    folder = folder_of({"add_og_status": "", "B_up": "", "20250101000000_a": "", "20250101000000-b": "", "_u": ""})
    assert [each.name for each in Prisma().migrations(folder, PG)] == [
        "_u",
        "20250101000000_a",
        "20250101000000-b",
        "add_og_status",
        "B_up",
    ]


@pytest.mark.parametrize(
    ("folder", "place", "why"),
    [
        (folder_of({}, "sqlite"), PG, "P3019"),
        (folder_of({}, "mysql"), SQLITE, "is for mysql"),
        (folder_of({}, "sqlite"), Place(engine="sqlite", database="shop", d1=True), "wrangler"),
    ],
)
def test_a_folder_for_another_database_is_refused(folder: Folder, place: Place, why: str) -> None:
    with pytest.raises(Refused, match=why):
        Prisma().migrations(folder, place)


def test_it_waits_for_a_run_of_the_tool_itself(postgres: Any) -> None:
    target = Target(url=postgres.url(postgres.create_database()), source=Prisma(), place=PG)
    (lock,) = Prisma().locks(PG, {})
    with target.script() as other, target.engine.script(Patience(lock=0.2)) as script:
        state(other, lock)
        with pytest.raises(ScriptFailed) as failed:
            state(script, lock)
        assert failed.value.locked


def test_it_takes_the_tools_lock_and_its_schema() -> None:
    assert [act.sql for act in Prisma().locks(PG, {})] == ["SELECT pg_advisory_lock(72707369)"]
    assert Prisma().locks(PG, {"schema": "shop"})[0].sql == 'SET search_path = "shop"'
    assert Prisma().locks(SQLITE, {}) == ()
    unit = Prisma().mark(
        Prisma().migrations(folder_of({"a": ""}), PG)[0], Ledger(table="t", exists=False), PG, {"schema": "shop"}
    )
    assert '"shop"."_prisma_migrations"' in unit.always[0].acts[0].sql


def test_its_configuration_names_the_folder() -> None:
    texts = {
        "prisma.config.ts": "export default { schema: 'db/schema.prisma', migrations: { seed: 'x', path: './db/m/' } }",
        "package.json": json.dumps({"prisma": {"schema": "./prisma/app.prisma"}}),
    }
    project = Folder(name="p", files={name: text.encode() for name, text in texts.items()})
    assert Prisma().configured(project) == [{"dir": "db/m"}, {"dir": "prisma/migrations"}]
    schema = Folder(name="p", files={"prisma.config.ts": b"export default { schema: 'db/all' }"})
    assert Prisma().configured(schema) == [{"dir": "db/all/migrations"}]
