"""A real standby: its role and lag are told, checks read it and write nothing, and what it ends is asked again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from integrity.checks.base import Found, Held
from integrity.checks.known import CHECKS
from integrity.health import looking
from integrity.kinds import check as checking
from integrity.models import Report
from integrity.scanning.answering import Budget
from integrity.scanning.selecting import Selection, select
from opsconsole import operations
from opsconsole.engines.base import Engine
from opsconsole.engines.postgresql import PostgresEngine
from opsconsole.exceptions import TargetProblem
from opsconsole.states import State
from tests.integrity.conftest import Ground
from tests.integrity.rules.spelling import rule
from tests.support.cases import work
from tests.support.fake_run import FakeRun
from tests.support.registering import register
from tests.support.servers import PostgresServer, embedded_postgres
from tests.support.standbys import catch_up, standby_of
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.nightly, pytest.mark.xdist_group("standby")]

FOLLOWS_AT_ONCE = {"max_standby_streaming_delay": "0", "hot_standby_feedback": "off"}


@dataclass
class Pair:
    primary: PostgresServer
    standby: PostgresServer
    name: str  # of the database

    def write(self, script: str) -> None:
        """Change the primary, and wait until the standby has it."""
        self.primary.run(script, self.name)
        catch_up(self.primary, self.standby)

    def engine(self, server: PostgresServer, role: Any = None) -> PostgresEngine:
        return PostgresEngine(PostgresEngine.parse(server.url(self.name, role=role)))


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with embedded_postgres(16) as primary:
        name = primary.create_database()
        primary.run(
            "CREATE TABLE users (id serial PRIMARY KEY, email text);"
            "INSERT INTO users (email) SELECT 'a' || i FROM generate_series(1, 1000) i;"
            "CREATE TABLE visits (id integer PRIMARY KEY, user_id integer)",
            name,
        )
        primary.run("INSERT INTO visits VALUES (1, 5); ALTER TABLE visits ADD FOREIGN KEY (user_id) REFERENCES users;"
                    "SET session_replication_role = replica; INSERT INTO visits VALUES (2, 5000)", name)  # fmt: skip
        with standby_of(primary, FOLLOWS_AT_ONCE) as standby:
            pair = Pair(primary, standby, name)
            catch_up(primary, standby)
            yield pair


def test_a_standby_tells_how_far_it_is_behind_also_when_it_has_lost_its_primary(pair: Pair) -> None:
    def told(server: PostgresServer) -> Any:
        return pair.engine(server).vitals(seconds=5)

    assert (told(pair.primary).role, told(pair.primary).replicas) == ("primary", 1)
    assert (told(pair.standby).role, told(pair.standby).replicas, told(pair.standby).lag_seconds) == ("standby", 0, 0)
    pair.write("INSERT INTO users (email) VALUES ('in time')")
    pair.standby.run("SELECT pg_wal_replay_pause()")
    pair.primary.run("INSERT INTO users (email) VALUES ('late')", pair.name)
    wait_until(lambda: told(pair.standby).lag_seconds > 0, "the standby is behind")
    pair.standby.run("SELECT pg_wal_replay_resume()")
    catch_up(pair.primary, pair.standby)
    assert told(pair.standby).lag_seconds == 0
    pair.primary.server.stop()
    try:
        wait_until(lambda: told(pair.standby).lag_seconds > 0, "the standby knows that it is sent nothing")
    finally:
        pair.primary.server.start(log=pair.primary.server.folder / "log")
    wait_until(lambda: told(pair.standby).lag_seconds == 0, "the standby is sent something again")


def test_a_standby_is_checked_and_watched_like_any_database(pair: Pair, console: Any, cast: Any):
    role = pair.primary.create_role()
    pair.write(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role.name}")
    row = register("copy", pair.standby.url(pair.name), environment="development")
    done = work(console, operations.request("check", row, {}, account=cast.ada))
    assert done.state == State.SUCCEEDED, done.failure_why
    findings = Report.objects.get(pk=done.pk).findings
    assert findings.get(check_name="orphans").count == 1
    uncounted = findings.filter(failed=True, sentence__contains="this is a standby")
    assert {each.check_name for each in uncounted} == {"needs_vacuum", "needs_analyze", "table_churn", "unused_index"}
    few = rule("row", on="postgresql", table="users", violates="t.id < 4")
    people = Ground("", pair.engine(pair.standby, role), lambda script: None)
    assert people.found(rules=[few])["public.users"].count == 3
    (no_superuser,) = Ground("", pair.engine(pair.standby), lambda script: None).found(rules=[few]).values()
    assert no_superuser.failed and "a role that only reads" in no_superuser.sentence
    look = looking.look_at(row)
    assert (look.healthy, look.figures["role"], look.figures["lag_seconds"]) == (True, "standby", 0)


class Followed(FakeRun):
    """A run at the first steps of which something happens."""

    def __init__(self, engine: Engine, happens: Callable[[], None], times: int) -> None:
        super().__init__()
        self._engine, self._happens, self._left = engine, happens, times
        self.plan = SimpleNamespace(parameters={"mode": "full"})

    def engine(self, role: str) -> Engine:
        return self._engine

    def progress(self, done: int, total: int, unit: str, *, step: str = "") -> None:
        super().progress(done, total, unit, step=step)
        if self._left and not done and step == CHECKS[0].label:
            self._left -= 1
            self._happens()


def test_a_check_that_a_standby_ends_begins_again_and_at_last_says_what_would_help(pair: Pair, console: Any, cast: Any):
    row = register("copy", pair.standby.url(pair.name), environment="development")
    chosen: Selection = select("postgresql", [], mode="full")

    def clear() -> None:
        pair.write("UPDATE users SET email = 'b'")
        wait_until(cleared, "the standby has ended who still saw the old rows")

    def cleared() -> bool:
        pair.write("VACUUM users")
        open_ = f"xact_start IS NOT NULL AND datname = '{pair.name}' AND backend_type = 'client backend'"
        return pair.standby.rows(f"SELECT count(*) FROM pg_stat_activity WHERE {open_}") == [(0,)]

    run: Any = Followed(pair.engine(pair.standby), clear, 1)
    examined = checking._examined(run, row, chosen, Budget())
    assert [each.count for each in examined.outcomes if isinstance(each, Found) and each.check == "orphans"] == [1]
    (line,) = run.lines
    assert "conflict with recovery" in line and line.endswith("The check begins again.")
    again: Any = Followed(pair.engine(pair.standby), clear, 9)
    with pytest.raises(TargetProblem) as refused:
        checking._examined(again, row, chosen, Budget())
    assert refused.value.code == "conflict" and "hot_standby_feedback" in refused.value.next_step
    assert len(again.lines) == checking.TRIES - 1


def test_a_sequence_of_a_standby_only_seems_to_be_ahead(pair: Pair) -> None:
    ground = Ground("", pair.engine(pair.standby), lambda script: None)
    (held,) = ground.look(*(each for each in CHECKS if each.name == "sequence_behind"))
    assert isinstance(held, Held) and "up to 32" in held.margin
