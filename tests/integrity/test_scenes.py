"""Every check and every kind of rule finds the fault that it is for, and not what nearly is one, on each engine.

A check or a kind that is registered without a scene for each engine that it names fails here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from integrity.checks.base import Check, Outcome
from integrity.checks.known import CHECKS
from integrity.rules.base import Spec, rule_kinds
from tests.integrity.conftest import Ground, in_file, on_server
from tests.integrity.scenes.base import BOTH, FULL_NAME, POSTGRESQL, SQLITE, Scene
from tests.integrity.scenes.of_rows import OF_ROWS
from tests.integrity.scenes.of_rules import BEFORE, of_rules
from tests.integrity.scenes.of_state import OF_STATE
from tests.support.servers import PostgresServer
from tests.support.waiting import wait_until


def scenes(vendor: str) -> list[Scene]:
    """All of one engine."""
    return [each for each in (*OF_ROWS, *of_rules(vendor), *OF_STATE) if vendor in each.on]


@pytest.mark.parametrize("vendor", BOTH)
def test_whatever_is_looked_for_has_a_scene_on_each_engine(vendor: str) -> None:
    planted = {each.what.kind if isinstance(each.what, Spec) else each.name for each in scenes(vendor)}
    checks = {check.name for check in CHECKS if vendor in check.engines}
    kinds = {kind.name for kind in rule_kinds() if kind.offered}
    assert planted == checks | kinds


def test_on_sqlite_each_fault_is_found_and_each_near_miss_is_sound(tmp_path: Path) -> None:
    judge(scenes(SQLITE), in_file(tmp_path / "faults.sqlite"), in_file(tmp_path / "near.sqlite"))


def test_on_postgresql_each_fault_is_found_and_each_near_miss_is_sound(debian_postgres: PostgresServer) -> None:
    faults, near = (on_server(debian_postgres, debian_postgres.create_database()) for _ in range(2))
    with open_transactions(debian_postgres, faults), open_transactions(debian_postgres, near):
        judge(scenes(POSTGRESQL), faults, near)


def judge(played: list[Scene], faults: Ground, near: Ground) -> None:
    for scene in played:
        for ground, script in ((faults, scene.fault), (near, scene.near)):
            if script:
                ground.change(script)
    found = told_of(played, faults, near=False)
    missed = [f"{each.name}: {each.subject}" for each in played if not each.is_found(faults.vendor, found[each.d1])]
    assert not missed, "these faults were not found"
    held = told_of(played, near, near=True)
    wrong = [f"{each.name}: {each.subject}" for each in played if not each.holds(near.vendor, held[each.d1])]
    assert not wrong, "these near misses were not told as sound"


def told_of(played: list[Scene], ground: Ground, *, near: bool) -> dict[bool, list[Outcome]]:
    """What is told of a database, as itself and (True) as one of D1's."""
    before = {subject.replace("#.", FULL_NAME[ground.vendor]): rows for subject, rows in BEFORE.items()}
    told = {}
    for d1 in (False, True):
        asked = [(each.nearly if near else None) or each.what for each in played if each.d1 == d1]
        checks = [each for each in asked if isinstance(each, Check)]
        rules = [each for each in asked if isinstance(each, Spec)]
        told[d1] = ground.look(*checks, rules=rules, d1=d1, before=before) if asked else []
    return told


@contextmanager
def open_transactions(server: PostgresServer, ground: Ground) -> Iterator[None]:
    """A transaction that does something, one that does nothing, and one that was prepared."""
    name = ground.engine.address.name
    with closing(server.connect(name)) as idle, closing(server.connect(name)) as busy:
        idle.execute("BEGIN; SELECT 1")
        busy.pgconn.send_query(b"SELECT pg_sleep(60)")
        ground.change(f"BEGIN; CREATE TABLE half (a integer); PREPARE TRANSACTION '{name}'")
        active = f"SELECT 1 FROM pg_stat_activity WHERE pid = {busy.info.backend_pid} AND state = 'active'"
        wait_until(lambda: bool(server.rows(active)), "it does something")
        try:
            yield
        finally:
            ground.change(f"ROLLBACK PREPARED '{name}'")
            busy.cancel_safe()
