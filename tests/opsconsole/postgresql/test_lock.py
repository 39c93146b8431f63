"""Two operations never hold one database, whatever it is called; a lost worker's sessions give way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from opsconsole.engines.base import TargetBusy
from opsconsole.engines.postgresql import PostgresEngine
from opsconsole.exceptions import TargetProblem
from tests.opsconsole.postgresql.conftest import engine_of

Opener = Callable[..., PostgresEngine]


def test_a_second_operation_is_told_who_holds_the_database(open_database: Opener) -> None:
    with open_database("opsconsole/1/1").hold(), pytest.raises(TargetBusy) as busy:
        open_database("opsconsole/2/1").hold().__enter__()
    assert busy.value.holder.label == "opsconsole/1/1"
    assert busy.value.holder.since


def test_two_names_of_one_host_collide(postgres: Any, database: str, open_database: Opener) -> None:
    alias = str(postgres.url(database)).replace("127.0.0.1", "localhost")
    with open_database("opsconsole:one/1/1").hold(), pytest.raises(TargetBusy):
        engine_of(alias, "opsconsole:two/1/1").hold().__enter__()


def test_a_higher_fence_of_the_same_operation_takes_over(open_database: Opener) -> None:
    with open_database("opsconsole/1/1").hold() as lost:
        with open_database("opsconsole/1/2").hold() as held:
            held.confirm()
        with pytest.raises(TargetProblem) as gone:
            lost.confirm()
    assert (gone.value.code, bool(gone.value.next_step)) == ("locked", True)


def test_a_lower_fence_does_not_break_a_higher_one(open_database: Opener) -> None:
    with open_database("opsconsole/1/2").hold() as held:
        with pytest.raises(TargetBusy):
            open_database("opsconsole/1/1").hold().__enter__()
        held.confirm()


def test_the_same_operation_of_another_console_is_left_alone(open_database: Opener) -> None:
    with open_database("opsconsole:one/1/1").hold() as held:
        with pytest.raises(TargetBusy):
            open_database("opsconsole:two/1/9").hold().__enter__()
        held.confirm()


def test_the_outer_lock_excludes_others_while_the_inner_one_is_given_up(open_database: Opener) -> None:
    with open_database("opsconsole/1/1").hold() as held:
        held.release_inner()
        held.confirm()
        with pytest.raises(TargetBusy):
            open_database("opsconsole/2/1").hold().__enter__()


def test_the_lock_is_free_when_its_holder_has_ended(open_database: Opener) -> None:
    with open_database("opsconsole/1/1").hold():
        pass
    with open_database("opsconsole/2/1").hold() as held:
        held.confirm()


def test_two_databases_of_one_server_do_not_exclude_each_other(postgres: Any, open_database: Opener) -> None:
    other = postgres.create_database()
    with open_database("opsconsole/1/1").hold(), engine_of(str(postgres.url(other)), "opsconsole/2/1").hold() as held:
        held.confirm()
    postgres.drop_database(other)


def test_sessions_carry_the_label_and_notice_a_dead_client(postgres: Any, open_database: Opener) -> None:
    with open_database("opsconsole/1/1").hold() as held:
        rows = postgres.rows("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'opsconsole/1/1'")
        assert rows == [(2,)]
        held.confirm()
