"""The demo's databases and people."""

from __future__ import annotations

import stat
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from integrity.models import Finding
from opsconsole import demo, people
from opsconsole.databases.addresses import engine_for
from opsconsole.demo import cast, ignition, savings
from opsconsole.embedded.postgresql import EmbeddedPostgres
from opsconsole.engines.sqlite.connections import private
from opsconsole.exceptions import Refused
from opsconsole.models import Account, Database, Environment, Operation
from opsconsole.states import State
from tests.support.cases import work
from tests.support.console import Console
from tests.support.servers import PostgresServer, shared_folder

MIB = 1 << 20


@pytest.fixture(scope="module")
def filled(postgres: PostgresServer) -> PostgresServer:
    """A server that holds the demo's database."""
    savings.create(postgres.server)
    return postgres


@pytest.fixture
def loaded(filled: PostgresServer, console: Console) -> Console:
    """A console on which the demo was loaded."""
    demo.load(filled.server, console.home)
    return console


def test_savings_has_about_sixty_megabytes_in_eleven_tables(filled: PostgresServer) -> None:
    (size,) = filled.rows("SELECT pg_database_size('savings')")[0]
    assert 45 * MIB < size < 80 * MIB
    assert filled.rows("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", "savings") == [(11,)]


def test_its_wallets_agree_with_the_ledger(filled: PostgresServer) -> None:
    wrong = """SELECT count(*) FROM public.wallets w WHERE points <>
        (SELECT coalesce(sum(l.points), 0) FROM public.points_ledger l WHERE l.user_id = w.user_id)"""
    assert filled.rows(wrong, "savings") == [(0,)]


def test_a_new_row_gets_a_key_after_the_last_one(filled: PostgresServer) -> None:
    query = "SELECT nextval('public.goals_id_seq') - max(id) FROM public.goals"
    assert filled.rows(query, "savings")[0][0] >= 1


def test_its_role_may_create_databases_and_is_no_superuser(filled: PostgresServer) -> None:
    query = "SELECT rolcreatedb, rolsuper FROM pg_roles WHERE rolname = 'savings'"
    assert filled.rows(query) == [(True, False)]


def test_a_load_that_was_interrupted_is_made_anew() -> None:
    with shared_folder() as folder:
        server = EmbeddedPostgres(folder / "pg", durable=False)
        server.start(log=folder / "log")
        try:
            PostgresServer(server).create_database("savings_draft")
            savings.create(server)
            names = PostgresServer(server).rows("SELECT datname FROM pg_database WHERE datname LIKE 'savings%'")
        finally:
            server.stop()
    assert names == [("savings",)]


def test_ignition_looks_like_d1_and_is_sound_but_for_rows_of_members_who_are_gone(tmp_path: Path) -> None:
    ignition.create(tmp_path / "a.sqlite3")
    with private(str(tmp_path / "a.sqlite3")) as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        lost = Counter(row[0] for row in file.execute("PRAGMA foreign_key_check"))
        assert lost == {"purchases": 6, "notifications": 17}
        names = {name for (name,) in file.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert {"_cf_KV", "d1_migrations", "members"} <= names
    assert len(names) >= 25


def test_each_installation_gets_the_same_ignition(tmp_path: Path) -> None:
    dumps = []
    for name in ("a.sqlite3", "b.sqlite3"):
        ignition.create(tmp_path / name)
        with private(str(tmp_path / name)) as file:
            dumps.append([line for line in file.iterdump() if "d1_migrations" not in line])
    assert dumps[0] == dumps[1]


def test_the_cast_can_log_in_with_the_passwords_of_a_private_file(loaded: Console) -> None:
    path = loaded.home / "demo-people.txt"
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    assert [row[:2] for row in rows] == [
        ["ada", "engineer"], ["grace", "approver"], ["linus", "approver"], ["audrey", "auditor"],
        ["admin", "administrator"],
    ]  # fmt: skip
    assert all(Account.objects.get(username=login).check_password(password) for login, _, password in rows)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_only_admin_is_a_superuser_and_everybody_is_at_example_test(loaded: Console) -> None:
    assert list(Account.objects.filter(is_superuser=True).values_list("username", flat=True)) == ["admin"]
    assert all(account.person.email.endswith("@example.test") for account in Account.objects.select_related("person"))


def test_both_databases_are_registered_reachable_and_protected(loaded: Console) -> None:
    found = {row.name: row for row in Database.objects.select_related("environment")}
    assert {name: row.environment.name for name, row in found.items()} == {
        "savings": "production",
        "ignition": "staging",
    }
    assert all(row.environment.protected for row in found.values())
    assert all(engine_for(row).identity().key == row.identity for row in found.values())


def test_the_first_check_finds_something_to_set_right_in_each(loaded: Console) -> None:
    for asked in Operation.objects.filter(kind="check"):
        assert work(loaded, asked).state == State.SUCCEEDED
    found = Finding.objects.filter(severity="critical").exclude(proposals=[])
    assert sorted(found.values_list("report__database__name", "check_name")) == [
        ("ignition", "orphans"), ("ignition", "orphans"), ("savings", "sequence_behind"),
    ]  # fmt: skip
    assert Finding.objects.get(check_name="inferred_orphans").rule["spec"]["column"] == "user_id"


def test_the_other_environments_are_as_they_ship(loaded: Console) -> None:
    assert set(Environment.objects.filter(protected=True).values_list("name", flat=True)) == {"staging", "production"}


def test_a_second_load_keeps_everything(loaded: Console, filled: PostgresServer) -> None:
    before = (loaded.home / "demo-people.txt").read_text(), Database.objects.count(), Account.objects.count()
    Account.objects.filter(username="ada").update(must_change_password=True)
    demo.load(filled.server, loaded.home)
    after = (loaded.home / "demo-people.txt").read_text(), Database.objects.count(), Account.objects.count()
    assert before == after
    assert Account.objects.get(username="ada").must_change_password


def test_people_of_an_interrupted_load_get_passwords_that_are_told(console: Console) -> None:
    people.add_person("ada", email="ada@example.test", roles=["engineers"])
    cast.add_people(console.home)
    told = dict(line.split("\t")[::2] for line in (console.home / "demo-people.txt").read_text().splitlines())
    assert Account.objects.get(username="ada").check_password(told["ada"])


def test_production_refuses_it(console: Console, filled: PostgresServer, settings: Any) -> None:
    settings.PRODUCTION = True
    with pytest.raises(Refused) as refusal:
        demo.load(filled.server, console.home)
    assert refusal.value.code == "no_demo_here"
    assert not Account.objects.exists()


def test_its_folder_is_removed_only_when_its_server_has_stopped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with shared_folder() as folder:
        monkeypatch.setattr(demo, "folder_for", lambda home: folder / "pg")
        server = EmbeddedPostgres(folder / "pg", durable=False)
        server.start(log=folder / "log")
        with pytest.raises(Refused, match="is running"):
            demo.remove(tmp_path)
        server.stop()
        assert demo.remove(tmp_path) == folder / "pg"
        assert not (folder / "pg").exists()
        assert demo.remove(tmp_path) is None
