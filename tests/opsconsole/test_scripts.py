"""Texts of others on a session: run as they are, with each vendor's own idea of what belongs together."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsconsole.engines.base import Engine
from opsconsole.engines.scripting import Patience, Script, ScriptFailed
from tests.opsconsole.test_engine_contract import Shop, engine_of
from tests.opsconsole.test_engine_contract import shop as shop
from tests.support.shops import SqliteShop

CREATE = "CREATE TABLE made (id integer);\nINSERT INTO made VALUES (100 % 7);\n"
BROKEN = "CREATE TABLE made (id integer);\n\nINSERT INTO nowhere\n VALUES (1);"


@pytest.fixture
def script(shop: Shop) -> Iterator[Script]:
    with engine_of(shop).script(foreign_keys=True) as opened:
        yield opened


def tables(shop: Shop) -> set[str]:
    return {table.name for table in engine_of(shop).tables()}


def test_a_text_of_several_statements_runs_as_it_is(shop: Shop, script: Script) -> None:
    script.run(CREATE + "-- a comment, and nothing after it")
    assert script.ask("SELECT id FROM made WHERE id = ?", [2]) == [(2,)]
    assert script.write("UPDATE made SET id = ? WHERE id = ?", [5, 2]) == 1
    script.run("")
    assert tables(shop) == {"customers", "orders", "made"}


def test_a_failing_text_leaves_what_its_vendor_leaves(shop: Shop, script: Script) -> None:
    with pytest.raises(ScriptFailed, match="nowhere") as failed:
        script.run(BROKEN)
    assert failed.value.line == 3
    assert ("made" in tables(shop)) == (shop.engine == "sqlite")
    assert not script.in_transaction


def test_a_transaction_is_all_or_nothing(shop: Shop, script: Script) -> None:
    with pytest.raises(ScriptFailed), script.transaction():
        script.run(CREATE)
        script.run(BROKEN.replace("made", "other"))
    assert tables(shop) == {"customers", "orders"}
    with script.transaction():
        script.run(CREATE)
    assert "made" in tables(shop)


def test_a_text_that_ends_the_transaction_is_told_of(script: Script) -> None:
    with pytest.raises(ScriptFailed, match="ended the transaction"), script.transaction():
        script.run("CREATE TABLE made (id integer); COMMIT;")
    assert not script.in_transaction


def test_a_session_that_only_reads_cannot_write(shop: Shop) -> None:
    with engine_of(shop).script(read_only=True) as opened, pytest.raises(ScriptFailed):
        opened.run("CREATE TABLE made (id integer)")


def test_who_looks_on_ends_a_long_text(shop: Shop, script: Script) -> None:
    class Enough(Exception):
        pass

    began = time.monotonic()

    def tick() -> None:
        if time.monotonic() - began > 0.2:
            raise Enough

    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(Enough), script.transaction():
        script.run(f"CREATE TABLE made (id integer); {endless};", tick=tick)
    assert "made" not in tables(shop) and not script.in_transaction


def test_a_table_that_others_hold_is_waited_for_and_told_of(shop: Shop) -> None:
    with holding(engine_of(shop)), engine_of(shop).script(Patience(lock=0.2)) as opened:
        with pytest.raises(ScriptFailed) as failed:
            opened.run("ALTER TABLE orders ADD COLUMN extra text")
        assert failed.value.locked


class holding:
    """Another session that has written to orders and does not end its transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._over, self._held = engine, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()
        assert self._held.wait(10)

    def __exit__(self, *ended: object) -> None:
        self._over.set()
        self._thread.join(10)

    def _hold(self) -> None:
        with self._engine.script() as other, other.transaction():
            other.run("UPDATE orders SET cents = cents")
            self._held.set()
            self._over.wait(20)


def test_sqlite_keeps_triggers_whole_and_checks_references_as_asked(tmp_path: Path) -> None:
    engine = engine_of(SqliteShop.make(tmp_path))
    trigger = "CREATE TRIGGER t AFTER INSERT ON customers BEGIN UPDATE orders SET cents = 1; DELETE FROM orders; END;"
    with engine.script(foreign_keys=True) as checking, engine.script(foreign_keys=False) as careless:
        checking.run(trigger + "SELECT 1;")
        assert checking.ask("PRAGMA foreign_keys") == [(1,)]
        assert careless.ask("PRAGMA foreign_keys") == [(0,)]


def test_a_script_of_sqlite_stays_in_its_own_file(tmp_path: Path) -> None:
    engine = engine_of(SqliteShop.make(tmp_path))
    with engine.script() as script:
        for text in (
            f"ATTACH '{tmp_path}/other.sqlite' AS other",
            f"ATTACH '{tmp_path}/other' || '.sqlite' AS other; CREATE TABLE other.made (id)",
            f"VACUUM INTO '{tmp_path}/other.sqlite'",
            f"PRAGMA temp_store_directory = '{tmp_path}'",
        ):
            with pytest.raises(ScriptFailed, match="can be attached"):
                script.run(text)
        script.run("VACUUM")
    assert not (tmp_path / "other.sqlite").exists()
