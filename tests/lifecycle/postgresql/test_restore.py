"""A restore gives back the rows and keeps what belongs to the database itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lifecycle.formats import format_of
from opsconsole.engines.labels import Label
from opsconsole.engines.postgresql import connect, databases, snapshot, swap
from opsconsole.exceptions import Cancelled, FenceLost, Moved, OperationFailed, Refused, Stale
from tests.lifecycle.postgresql.conftest import DAMAGE, NEW, OLD, Ledger
from tests.support import postgres_worker as worker
from tests.support.fake_run import stored_witness

TAG = Label("opsconsole", 7, 2).tag  # of the workers of these tests

methods = pytest.mark.parametrize("method", ["swap", "in_place"])


def facts_of(ledger: Ledger) -> tuple[Any, ...]:
    """Everything about the database that is not in it, apart from its number."""
    row = ledger.server.rows(
        "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype, datconnlimit,"
        " (SELECT array_agg(a ORDER BY a) FROM (SELECT pg_get_userbyid(grantee) || privilege_type || is_grantable AS a"
        "  FROM aclexplode(datacl)) g), shobj_description(oid, 'pg_database'),"
        " (SELECT array_agg(x ORDER BY x) FROM (SELECT setrole::regrole || ' ' || unnest(setconfig) AS x"
        "  FROM pg_db_role_setting WHERE setdatabase = d.oid) s)"
        f" FROM pg_database d WHERE datname = '{ledger.name}'"
    )
    return tuple(row[0])


def test_a_swap_keeps_owner_rights_settings_limit_and_comment(make_ledger: Callable[..., Ledger], base: Path) -> None:
    ledger = make_ledger()
    owner, reader = (ledger.server.create_role().name for _ in range(2))
    ledger.server.run(
        f"""ALTER DATABASE "{ledger.name}" OWNER TO "{owner}"; REVOKE ALL ON DATABASE "{ledger.name}" FROM PUBLIC;
        GRANT CONNECT ON DATABASE "{ledger.name}" TO "{reader}" WITH GRANT OPTION;
        ALTER DATABASE "{ledger.name}" SET search_path TO "$user", 'odd, name', public;
        ALTER DATABASE "{ledger.name}" SET work_mem TO '12MB';
        ALTER DATABASE "{ledger.name}" SET app.motto TO 'it''s, ok';
        ALTER ROLE "{reader}" IN DATABASE "{ledger.name}" SET statement_timeout TO '7s';
        ALTER DATABASE "{ledger.name}" CONNECTION LIMIT 17; COMMENT ON DATABASE "{ledger.name}" IS 'the ''ledger''';
        ALTER DATABASE "{ledger.name}" SET default_transaction_read_only TO on""",
    )
    before = facts_of(ledger)
    worker.backup(ledger.url, base)
    ledger.server.run(f"SET transaction_read_only = off; {DAMAGE}", ledger.name)
    worker.restore(ledger.url, base, worker.run_in(base, fence=2))
    assert facts_of(ledger) == before
    assert ledger.state() == NEW


@methods
def test_the_owner_who_is_no_superuser_can_restore(make_ledger: Callable[..., Ledger], base: Path, method: str) -> None:
    ledger = make_ledger()
    role = ledger.server.create_role(createdb=method == "swap")
    ledger.server.run(f'ALTER DATABASE "{ledger.name}" OWNER TO "{role.name}"')
    ledger.server.run(
        f'ALTER TABLE people OWNER TO "{role.name}"; ALTER TABLE entries OWNER TO "{role.name}"', ledger.name
    )
    url = str(ledger.server.url(ledger.name, role=role))
    contents = worker.backup(url, base)
    native = format_of("postgresql", "native")
    assert native.methods(worker.engine(url))[0] == method
    assert native.refusals(worker.engine(url), contents, method=method, overwrite=False) == []
    ledger.server.run(DAMAGE.replace("CREATE TABLE later", f'SET ROLE "{role.name}"; CREATE TABLE later'), ledger.name)
    worker.restore(url, base, worker.run_in(base, fence=2), method=method)
    assert ledger.state() == NEW
    owners = ledger.server.rows("SELECT tableowner FROM pg_tables WHERE schemaname = 'public'", ledger.name)
    assert set(owners) == {(role.name,)}


@methods
def test_drift_found_right_before_the_act_changes_nothing(damaged: tuple[Ledger, Path], method: str) -> None:
    ledger, base = damaged
    run = worker.run_in(base)

    def moved() -> None:
        worker.engine(ledger.url).schema_fingerprint()  # as the console does it; it must not wait for our own locks
        raise Stale([Moved("schema", "a", "b")])

    run.on_recheck = moved
    with pytest.raises(Stale):
        worker.restore(ledger.url, base, run, method=method)
    assert ledger.state() == OLD
    clean(ledger)


@methods
@pytest.mark.parametrize("error", [Cancelled("cancelled", "Stopped."), FenceLost("fence", "Another worker.")])
def test_a_run_stopped_at_the_last_moment_changes_nothing(
    damaged: tuple[Ledger, Path], method: str, error: Exception
) -> None:
    ledger, base = damaged
    run = worker.run_in(base)

    def stopped(**witness: Any) -> None:
        raise error

    run.before_commit = stopped  # type: ignore[method-assign]
    with pytest.raises(type(error)):
        worker.restore(ledger.url, base, run, method=method)
    assert ledger.state() == OLD
    clean(ledger)


def clean(ledger: Ledger) -> None:
    format_of("postgresql", "native").clean_up(worker.engine(ledger.url), worker.OPERATION, worker.FENCE)
    assert ledger.databases() == [""]


@methods
def test_a_damaged_object_is_found_before_anything_is_published(damaged: tuple[Ledger, Path], method: str) -> None:
    ledger, base = damaged
    contents = worker.contents_in(base)
    path = base / "store" / "backups/x/7" / contents.objects[-1].key
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(OperationFailed) as found:
        worker.restore(ledger.url, base, worker.run_in(base), method=method)
    assert found.value.code == "backup_damaged"
    assert ledger.state() == OLD
    assert ledger.databases() == [""]


@methods
def test_an_error_of_the_server_shows_no_values_of_rows(
    damaged: tuple[Ledger, Path], monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    ledger, base = damaged
    wrong = snapshot.load_statement("public", "people", ("name",), binary=False)
    monkeypatch.setattr(snapshot, "load_statement", lambda *place, binary: wrong)
    with pytest.raises(OperationFailed) as failed:
        worker.restore(ledger.url, base, worker.run_in(base), method=method)
    assert "person" not in failed.value.why
    assert ledger.state() == OLD


def test_sequences_go_on_where_they_were(damaged: tuple[Ledger, Path]) -> None:
    ledger, base = damaged
    worker.restore(ledger.url, base, worker.run_in(base))
    ledger.server.run("INSERT INTO people (name) VALUES ('one more')", ledger.name)
    assert ledger.server.rows("SELECT max(id) FROM people", ledger.name) == [(501,)]


def test_the_swapped_out_database_keeps_the_old_content_until_it_is_dropped(damaged: tuple[Ledger, Path]) -> None:
    ledger, base = damaged
    worker.restore(ledger.url, base, worker.run_in(base))
    old = Ledger(ledger.server, ledger.name + f"__old_{TAG}_7")
    assert old.state() == OLD
    connector = worker.engine(ledger.url).connector
    oid = ledger.server.rows(f"SELECT oid::text FROM pg_database WHERE datname = '{old.name}'")[0][0]
    with pytest.raises(Refused, match="made anew"):
        databases.drop_kept(connector, old.name, str(int(oid) + 1))
    databases.drop_kept(connector, old.name, oid)
    assert ledger.databases() == [""]


@pytest.mark.parametrize("suffix", ["", "__oc_7_2", f"__oc_{TAG}_7_2", "_other", "__old_7x", f"__old_{TAG}x_7"])
def test_only_a_kept_copy_can_be_dropped(ledger: Ledger, suffix: str) -> None:
    with pytest.raises(Exception, match="not a copy"):
        databases.drop_kept(worker.engine(ledger.url).connector, ledger.name + suffix, "1")
    assert ledger.state() == NEW


def test_a_second_swap_of_the_same_operation_number_keeps_both_old_ones(damaged: tuple[Ledger, Path]) -> None:
    ledger, base = damaged
    for fence in (2, 3):
        worker.restore(ledger.url, base, worker.run_in(base, fence=fence))
    assert ledger.databases() == ["", f"__old_{TAG}_7", f"__old_{TAG}_7_2"]


def test_sessions_inside_are_ended_for_the_swap(damaged: tuple[Ledger, Path]) -> None:
    ledger, base = damaged
    with ledger.server.connect(ledger.name) as app:
        app.execute("BEGIN")
        app.execute("SELECT * FROM entries LIMIT 1")
        worker.restore(ledger.url, base, worker.run_in(base))
        with pytest.raises(psycopg.OperationalError):
            app.execute("SELECT 1")
    assert ledger.state() == NEW


def test_sessions_that_cannot_be_ended_leave_everything_as_it_was(
    damaged: tuple[Ledger, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, base = damaged
    monkeypatch.setattr(swap, "ATTEMPTS", 1)
    monkeypatch.setattr(swap._EndingSessions, "_inside", lambda self: [])
    with ledger.server.connect(ledger.name) as app:
        with pytest.raises(OperationFailed) as busy:
            worker.restore(ledger.url, base, worker.run_in(base))
        assert app.execute("SELECT 1").fetchone() == (1,)
    assert busy.value.code == "busy"
    assert ledger.state() == OLD
    assert (
        format_of("postgresql", "native").landed(worker.engine(ledger.url), stored_witness(base / "witness.json"))
        is False
    )
    clean(ledger)


def test_in_place_waits_for_nobody_for_long(damaged: tuple[Ledger, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, base = damaged
    monkeypatch.setattr("opsconsole.engines.postgresql.in_place.ATTEMPTS", 1)
    monkeypatch.setitem(connect.WRITE, "lock_timeout", "1s")
    with writing(ledger), pytest.raises(OperationFailed) as busy:
        worker.restore(ledger.url, base, worker.run_in(base), method="in_place")
    assert busy.value.code == "busy"
    assert ledger.state() == OLD


@contextmanager
def writing(ledger: Ledger) -> Iterator[None]:
    """Another session with an open write transaction."""
    with ledger.server.connect(ledger.name) as app:
        app.execute("BEGIN")
        app.execute("UPDATE people SET name = name WHERE id = 1")
        yield
        app.execute("ROLLBACK")


def test_a_backup_goes_into_another_empty_database_without_the_roles(
    ledger: Ledger, base: Path, postgres18: Any
) -> None:
    owner = ledger.server.create_role()
    ledger.server.run(f'ALTER TABLE entries OWNER TO "{owner.name}"', ledger.name)
    worker.backup(ledger.url, base)
    other = Ledger(postgres18, postgres18.create_database())
    worker.restore(other.url, base, worker.run_in(base))
    assert other.state() == NEW
    other.drop()


def test_a_newer_client_serves_an_older_server(
    make_ledger: Callable[..., Ledger],
    base: Path,
    debian_postgres: Any,
    postgres18: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ledger = make_ledger(debian_postgres)
    newer = worker.tools_of(18)
    monkeypatch.setattr("opsconsole.engines.postgresql.tools.installed", lambda: [newer])
    monkeypatch.setattr("opsconsole.engines.postgresql.tools.speaks_tls", lambda folder: True)
    url = ledger.url.replace("sslmode=require", "sslmode=prefer")
    assert worker.backup(url, base).tool["version"].startswith("18.")
    for fence, method in ((2, "swap"), (3, "in_place")):
        ledger.server.run(DAMAGE, ledger.name)
        worker.restore(url, base, worker.run_in(base, fence=fence), method=method)
        assert ledger.state() == NEW


@methods
@pytest.mark.parametrize("format", ["native", "custom"])
def test_another_encoding_survives(postgres: Any, base: Path, method: str, format: str) -> None:
    name = postgres.fresh_name()
    postgres.run(f"CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    postgres.run("CREATE TABLE entries (word text DEFAULT U&'\\00fc'); INSERT INTO entries VALUES (chr(233))", name)
    worker.backup(postgres.url(name), base, format=format)
    postgres.run("DROP TABLE entries", name)
    worker.restore(postgres.url(name), base, worker.run_in(base, fence=2), method=method)
    postgres.run("INSERT INTO entries DEFAULT VALUES", name)
    assert postgres.rows("SELECT word, length(word) FROM entries ORDER BY 1", name) == [("é", 1), ("ü", 1)]
    Ledger(postgres, name).drop()


@methods
def test_a_cancel_stops_long_work_on_the_server(damaged: tuple[Ledger, Path], method: str) -> None:
    ledger, base = damaged
    run = worker.run_in(base)

    def progress(done: int, total: int, unit: str, *, step: str = "") -> None:
        run.cancel = unit == "seconds"

    run.progress = progress  # type: ignore[method-assign]
    with slow_index(ledger, base), pytest.raises(Cancelled):
        worker.restore(ledger.url, base, run, method=method)
    assert ledger.state() == OLD
    clean(ledger)


@contextmanager
def slow_index(ledger: Ledger, base: Path) -> Iterator[None]:
    """Let the backup hold an index over a function that takes a minute."""
    source = Ledger(ledger.server, ledger.server.create_database())
    ledger.server.run(
        "CREATE TABLE people (id int, name text); CREATE TABLE entries (id int, word text);"
        " INSERT INTO entries VALUES (1, 'new');"
        " CREATE FUNCTION slow(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS"
        " 'BEGIN IF current_database() <> $$" + source.name + "$$ THEN PERFORM pg_sleep(60); END IF; RETURN 1; END';"
        " CREATE INDEX ON entries (slow(id))",
        source.name,
    )
    shutil.rmtree(base / "store")
    worker.backup(source.url, base)
    yield
    source.drop()
