"""`database check` says precisely what is wrong, and never shows the password."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from opsconsole.engines.base import Check
from opsconsole.engines.postgresql import PostgresEngine, tools
from opsconsole.exceptions import TargetProblem
from tests.opsconsole.postgresql.conftest import engine_of


def codes(checks: list[Check]) -> list[str]:
    return [check.code for check in checks if not check.ok]


def test_a_good_database_is_ok_and_shows_its_identity(open_database: Callable[..., PostgresEngine]) -> None:
    first = open_database().check()[0]
    assert (first.code, first.ok) == ("ok", True)
    assert open_database().identity().key in first.detail


def test_an_unknown_host_is_dns() -> None:
    checks = engine_of("postgresql://ada:secret@nowhere.invalid/shop?sslmode=disable").check()
    assert codes(checks) == ["dns"]
    assert "secret" not in str(checks)


def test_a_port_where_nobody_listens_is_refused() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert codes(engine_of(f"postgresql://ada@127.0.0.1:{free.getsockname()[1]}/shop").check()) == ["refused"]


def test_a_server_that_does_not_answer_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsconsole.engines.postgresql.connect.CONNECT_SECONDS", 2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert codes(engine_of(f"postgresql://ada@127.0.0.1:{silent.getsockname()[1]}/shop").check()) == ["timeout"]


def test_a_wrong_password_is_said_to_be_one(postgres: Any, database: str) -> None:
    url = str(postgres.url(database)).replace(postgres.password, "wrong-secret")
    checks = engine_of(url).check()
    assert codes(checks) == ["password"]
    assert "wrong-secret" not in str(checks)


def test_a_missing_database_is_missing(postgres: Any) -> None:
    assert codes(engine_of(str(postgres.url("no_such_database"))).check()) == ["missing"]


def test_a_role_that_may_not_connect_lacks_permission(postgres: Any, database: str) -> None:
    role = postgres.create_role()
    postgres.run(f'REVOKE CONNECT ON DATABASE "{database}" FROM PUBLIC')
    assert codes(engine_of(str(postgres.url(database, role=role))).check()) == ["permission"]


def test_a_table_that_may_not_be_read_is_named(postgres: Any, database: str) -> None:
    role = postgres.create_role()
    postgres.run("CREATE TABLE hidden (a int)", database)
    checks = engine_of(str(postgres.url(database, role=role))).check()
    assert codes(checks) == ["permission"]
    assert "public.hidden" in str(checks)


def test_row_security_that_would_hide_rows_is_named(postgres: Any, database: str) -> None:
    role = postgres.create_role()
    postgres.run(
        "CREATE TABLE guarded (a int); GRANT SELECT ON guarded TO PUBLIC;"
        " ALTER TABLE guarded ENABLE ROW LEVEL SECURITY",
        database,
    )
    assert codes(engine_of(str(postgres.url(database, role=role))).check()) == ["permission"]


def test_a_server_without_tls_is_tls_when_the_url_wants_it(postgres: Any, database: str) -> None:
    assert codes(engine_of(str(postgres.url(database, sslmode="require"))).check()) == ["tls"]


def test_a_certificate_that_is_not_known_is_tls(debian_postgres: Any) -> None:
    url = str(debian_postgres.url("postgres")).replace("sslmode=require", "sslmode=verify-full")
    assert codes(engine_of(url).check()) == ["tls"]


def test_a_server_with_tls_is_ok_and_its_tools_speak_it(debian_postgres: Any) -> None:
    checks = engine_of(str(debian_postgres.url("postgres"))).check()
    assert codes(checks) == []
    found = tools.choose(debian_postgres.major * 10000, tls=True)
    assert tools.speaks_tls(found.folder)


def test_a_pooler_in_between_is_found(pgbouncer: Any, postgres: Any, database: str) -> None:
    assert codes(engine_of(pgbouncer.url(database)).check()) == ["pooler"]
    with pytest.raises(TargetProblem, match="directly"), engine_of(pgbouncer.url(database)).hold():
        pass


def test_a_server_newer_than_every_tool_is_a_question_of_version(
    open_database: Callable[..., PostgresEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tools.Tools(major=15, minor=19, folder=tools.DEBIAN)
    monkeypatch.setattr(tools, "installed", lambda: [old])
    checks = open_database().check()
    assert codes(checks) == ["version"]
    assert "15.19" in checks[0].detail


def test_a_role_without_createdb_is_warned_that_restores_are_in_place(postgres: Any, database: str) -> None:
    role = postgres.create_role()
    checks = engine_of(str(postgres.url(database, role=role))).check()
    assert codes(checks) == []
    assert any("in place" in check.detail for check in checks)


def test_releases_below_the_security_floor_are_a_warning(open_database: Callable[..., PostgresEngine]) -> None:
    warned = [check for check in open_database().check() if "security" in check.detail]
    assert warned
    assert all(check.ok and check.next_step for check in warned)
