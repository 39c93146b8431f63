"""Which URLs of PostgreSQL are taken, and what they come to mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsconsole.engines import engine_class_for, open_engine
from opsconsole.engines.postgresql import PostgresEngine
from opsconsole.engines.postgresql.address import parameters
from opsconsole.exceptions import TargetProblem, Usage

URL = "postgresql://ada:s%40cret%23@db.example.test:5433/shop"


def test_the_display_holds_everything_but_the_password() -> None:
    address = PostgresEngine.parse(URL)
    assert address.display == "postgresql://ada@db.example.test:5433/shop"
    assert "s@cret" not in repr(address)
    assert "s%40cret" not in repr(address)


def test_special_signs_in_a_password_are_decoded() -> None:
    assert parameters(PostgresEngine.parse(URL))["password"] == "s@cret#"


def test_another_host_must_prove_who_it_is_unless_the_url_says_otherwise() -> None:
    assert parameters(PostgresEngine.parse(URL))["sslmode"] == "verify-full"
    assert parameters(PostgresEngine.parse(URL + "?sslmode=disable"))["sslmode"] == "disable"
    assert parameters(PostgresEngine.parse("postgresql://ada@127.0.0.1/shop"))["sslmode"] == "prefer"


def test_variables_of_the_environment_cannot_redirect_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOSTADDR", "192.0.2.1")
    monkeypatch.setenv("PGPORT", "1")
    given = parameters(PostgresEngine.parse("postgresql://ada@127.0.0.1/shop"))
    assert (given["hostaddr"], given["port"], given["passfile"]) == ("", "5432", "/nonexistent")


@pytest.mark.parametrize("key", ["service", "passfile", "sslkey", "options", "hostaddr", "schema", "pgbouncer"])
def test_settings_outside_the_list_are_refused_by_name(key: str) -> None:
    with pytest.raises(TargetProblem, match=key) as refused:
        PostgresEngine.parse(f"{URL}?{key}=x")
    assert "s%40cret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://db.example.test/shop",
        "postgresql://ada@/shop",
        "postgresql://ada@db.example.test/",
        "postgresql://ada@one.example.test,two.example.test/shop",
        "postgresql://ada@db.example.test/" + "x" * 64,
        "postgresql://ada@db.example.test:notaport/shop?host=%ZZ",
        "mysql://ada@db.example.test/shop",
    ],
)
def test_a_url_that_does_not_name_one_database_is_refused(url: str) -> None:
    with pytest.raises(TargetProblem) as refused:
        PostgresEngine.parse(url)
    assert refused.value.code == "bad_url"
    assert refused.value.next_step


def test_a_socket_is_taken_only_from_an_allowed_folder(tmp_path: Path) -> None:
    url = f"postgresql://ada@/shop?host={tmp_path}"
    with pytest.raises(TargetProblem, match="outside"):
        PostgresEngine.parse(url)
    assert PostgresEngine.parse(url, roots=[tmp_path]).display == f"postgresql://ada@/shop?host={tmp_path}"


def test_the_scheme_chooses_the_engine() -> None:
    assert engine_class_for("postgres://x") is PostgresEngine
    assert isinstance(open_engine(PostgresEngine.parse(URL), "opsconsole/1/1"), PostgresEngine)
    with pytest.raises(Usage, match="postgresql://"):
        engine_class_for("mysql://ada:secret@db/shop")


@pytest.mark.parametrize("url", ["postgresql://ada:hunter2@[::1/shop", "postgresql://ada:hunter2\u2100@x/shop"])
def test_a_url_that_python_cannot_read_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(TargetProblem) as refused:
        PostgresEngine.parse(url)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__suppress_context__
