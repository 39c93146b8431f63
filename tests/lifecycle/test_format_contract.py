"""What every backup format promises: what was copied comes back whole, and nothing stays behind."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
from pyrage import x25519

from lifecycle.backups.manifest import contents_from
from lifecycle.formats import FORMATS
from lifecycle.formats.base import SCRATCH, Archive, Contents, Format, Prepared
from lifecycle.proving import stored
from opsconsole.engines import engine_class_for, open_engine
from opsconsole.engines.base import Engine
from opsconsole.exceptions import Cancelled, Moved, OperationFailed, Stale
from opsconsole.storage import FolderStore
from tests.support.fake_run import FakeRun
from tests.support.shops import ORDERS, PostgresShop, SqliteShop

Shop = SqliteShop | PostgresShop


def name_of(chosen: Format) -> str:
    return f"{chosen.engine}-{chosen.name}"


# Of how a copy goes live, the portable formats have nothing of their own.
LEADING = pytest.mark.parametrize(
    "chosen", [each for each in FORMATS if each.name != "json"], indirect=True, ids=name_of
)


@pytest.fixture(params=FORMATS, ids=name_of)
def chosen(request: pytest.FixtureRequest) -> Format:
    return request.param


@pytest.fixture
def shop(chosen: Format, request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    if chosen.engine == "sqlite":
        return SqliteShop.make(tmp_path / "files")
    return PostgresShop.make(request.getfixturevalue("postgres"))


@pytest.fixture
def run(tmp_path: Path) -> FakeRun:
    (tmp_path / "work").mkdir()
    return FakeRun(operation_id=7, fence=2, workdir=tmp_path / "work")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(store=FolderStore(tmp_path / "store"), folder="backups/shop/7", part="7.2")


def engine_of(shop: Shop, run: FakeRun) -> Engine:
    return open_engine(engine_class_for(shop.url).parse(shop.url, roots=[Path("/")]), run.label)


def restored(shop: Shop, chosen: Format, archive: Archive, contents: Contents, run: FakeRun) -> None:
    engine = engine_of(shop, run)
    with engine.hold() as lock:
        method = chosen.methods(engine)[0]
        prepared = chosen.prepare(engine, archive, contents, run, method=method)
        chosen.publish(engine, lock, archive, contents, prepared, run)


def test_what_was_backed_up_comes_back(shop: Shop, chosen: Format, archive: Archive, run: FakeRun) -> None:
    engine = engine_of(shop, run)
    before = engine.schema_fingerprint()
    contents = chosen.write(engine, archive, run)
    chosen.read_through(archive, contents, run)
    shop.lose(5)
    restored(shop, chosen, archive, contents, run)
    assert (shop.orders(), engine_of(shop, run).schema_fingerprint()) == (ORDERS, before)
    assert chosen.landed(engine_of(shop, run), run.witness) is True
    assert run.calls[-2:] == ["before_commit", "after_commit"]


def test_it_says_what_it_wrote(shop: Shop, chosen: Format, archive: Archive, run: FakeRun) -> None:
    contents = chosen.write(engine_of(shop, run), archive, run)
    assert {table.name.rpartition(".")[2]: table.rows for table in contents.tables} == {
        "customers": 10,
        "orders": ORDERS,
    }
    assert archive.store.keys(archive.folder) == sorted(archive.key(item.key) for item in contents.objects)
    assert [archive.store.size(archive.key(item.key)) for item in contents.objects] == [
        i.size for i in contents.objects
    ]
    assert (contents.format, contents.source["engine"]) == (chosen.name, chosen.engine)


def test_what_it_says_survives_the_manifest(shop: Shop, chosen: Format, archive: Archive, run: FakeRun) -> None:
    contents = chosen.write(engine_of(shop, run), archive, run)
    assert contents_from(json.loads(json.dumps(dataclasses.asdict(contents)))) == contents


def test_a_backup_fits_its_own_database(shop: Shop, chosen: Format, archive: Archive, run: FakeRun) -> None:
    engine = engine_of(shop, run)
    contents = chosen.write(engine, archive, run)
    assert chosen.refusals(engine, contents, method=chosen.methods(engine)[0], overwrite=False) == []
    foreign = dataclasses.replace(contents, source={**contents.source, "engine": "another"})
    assert chosen.refusals(engine, foreign, method=chosen.methods(engine)[0], overwrite=True) != []


def test_no_flipped_byte_goes_unseen(
    shop: Shop, chosen: Format, archive: Archive, run: FakeRun, tmp_path: Path
) -> None:
    contents = chosen.write(engine_of(shop, run), archive, run)
    for item in contents.objects:
        path = tmp_path / "store" / archive.key(item.key)
        whole = path.read_bytes()
        path.write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])
        with pytest.raises(OperationFailed) as failed:
            chosen.read_through(archive, contents, run)
        assert failed.value.code == "backup_damaged"
        path.write_bytes(whole)


def test_an_encrypted_backup_opens_with_its_key_and_no_other(
    shop: Shop, chosen: Format, archive: Archive, run: FakeRun, tmp_path: Path
) -> None:
    keys = [x25519.Identity.generate() for _ in range(3)]
    for_two = dataclasses.replace(archive, recipients=tuple(str(key.to_public()) for key in keys[:2]))
    contents = chosen.write(engine_of(shop, run), for_two, run)
    assert {item.encryption for item in contents.objects} == {"age"}
    paths = [tmp_path / "store" / archive.key(item.key) for item in contents.objects]
    assert all(path.read_bytes().startswith(b"age-encryption.org/v1\n") for path in paths)

    def holding(key: x25519.Identity) -> Archive:
        return dataclasses.replace(archive, identities=(str(key),))

    for without in (archive, holding(keys[2])):
        with pytest.raises(OperationFailed) as failed:
            chosen.read_through(without, contents, run)
        assert failed.value.code == "key_missing"
    chosen.read_through(holding(keys[0]), contents, run)
    path = max(paths, key=lambda path: path.stat().st_size)
    whole = path.read_bytes()
    path.write_bytes(flip(whole))
    with pytest.raises(OperationFailed) as failed:
        chosen.prepare(engine_of(shop, run), holding(keys[1]), contents, run, method=SCRATCH)
    assert failed.value.code == "backup_damaged"
    path.write_bytes(whole)
    shop.lose(5)
    restored(shop, chosen, holding(keys[1]), contents, run)
    assert shop.orders() == ORDERS


def cut(data: bytes) -> bytes:
    return data[:-5]


def flip(data: bytes) -> bytes:
    return data[:-9] + bytes([data[-9] ^ 4]) + data[-8:]


def swap(data: bytes) -> bytes:
    return (b"another object" * len(data))[: len(data)]


def test_every_level_finds_every_damage(
    shop: Shop, chosen: Format, archive: Archive, run: FakeRun, tmp_path: Path
) -> None:
    contents = chosen.write(engine_of(shop, run), archive, run)
    path = tmp_path / "store" / archive.key(max(contents.objects, key=lambda item: item.size).key)
    whole = path.read_bytes()
    for damaged in (cut(whole), flip(whole), swap(whole), None):
        path.unlink() if damaged is None else path.write_bytes(damaged)
        for level in (
            lambda: stored.compare(archive, contents, run),  # type: ignore[arg-type]
            lambda: chosen.read_through(archive, contents, run),
            lambda: chosen.prepare(engine_of(shop, run), archive, contents, run, method=SCRATCH),
        ):
            with pytest.raises(OperationFailed) as failed:
                level()
            assert failed.value.code == "backup_damaged", failed.value
    chosen.clean_up(engine_of(shop, run), run.operation_id, run.fence)
    assert shop.leftovers() == []


@LEADING
def test_a_moved_precondition_leaves_the_old_content(
    shop: Shop, chosen: Format, archive: Archive, run: FakeRun
) -> None:
    def moved() -> None:
        raise Stale([Moved("schema", "a", "b")])

    contents = chosen.write(engine_of(shop, run), archive, run)
    shop.lose(5)
    run.on_recheck = moved
    with pytest.raises(Stale):
        restored(shop, chosen, archive, contents, run)
    chosen.clean_up(engine_of(shop, run), run.operation_id, run.fence)
    assert (shop.orders(), shop.leftovers()) == (5, [])
    assert chosen.landed(engine_of(shop, run), run.witness) is False


@LEADING
def test_a_cancelled_restore_leaves_the_old_content(shop: Shop, chosen: Format, archive: Archive, run: FakeRun) -> None:
    contents = chosen.write(engine_of(shop, run), archive, run)
    shop.lose(5)
    run.on_recheck = lambda: setattr(run, "cancel", True)
    with pytest.raises(Cancelled):
        restored(shop, chosen, archive, contents, run)
    chosen.clean_up(engine_of(shop, run), run.operation_id, run.fence)
    assert (shop.orders(), shop.leftovers()) == (5, [])


def test_a_backup_leaves_nothing_but_its_objects(shop: Shop, chosen: Format, archive: Archive, run: FakeRun) -> None:
    chosen.write(engine_of(shop, run), archive, run)
    assert shop.leftovers() == []
    assert list(run.workdir.iterdir()) == []
    assert list((archive.store.root).rglob("*.part")) == []  # type: ignore[attr-defined]


def test_its_estimate_is_no_less_than_what_it_writes(
    shop: Shop, chosen: Format, archive: Archive, run: FakeRun
) -> None:
    engine = engine_of(shop, run)
    estimate = chosen.estimate_bytes(engine)
    contents = chosen.write(engine, archive, run)
    assert sum(item.size for item in contents.objects) <= estimate


def scratch(shop: Shop, chosen: Format, archive: Archive, contents: Contents, run: FakeRun) -> Prepared:
    engine = engine_of(shop, run)
    assert chosen.why_no_scratch(engine) == ""
    assert chosen.refusals(engine, contents, method=SCRATCH, overwrite=False) == []
    return chosen.prepare(engine, archive, contents, run, method=SCRATCH)


def test_a_scratch_copy_equals_the_backup_whatever_the_live_database_has_become(
    shop: Shop, chosen: Format, archive: Archive, run: FakeRun
) -> None:
    contents = chosen.write(engine_of(shop, run), archive, run)
    shop.lose(5)
    prepared = scratch(shop, chosen, archive, contents, run)
    assert chosen.differences(engine_of(shop, run), archive, contents, prepared, run) == []
    (answer,) = chosen.ask(engine_of(shop, run), prepared, ["SELECT count(*) FROM orders"], seconds=5)
    assert (answer.rows, answer.first, answer.error) == (1, str(ORDERS), "")
    chosen.clean_up(engine_of(shop, run), run.operation_id, run.fence)
    assert (shop.orders(), shop.leftovers()) == (5, [])


TAMPERINGS = [
    ("UPDATE orders SET cents = cents + 1 WHERE id = 7", "orders have other values"),
    ("UPDATE orders SET cents = cents - 1 WHERE id = 7", ""),  # as it was: the next one stands alone
    (
        "DELETE FROM orders WHERE id = 9; INSERT INTO orders (id, customer_id, cents) VALUES (9, 1, 0)",
        "orders have other values",
    ),
    ("DELETE FROM orders WHERE id = 9", "199 rows"),
    ("DROP INDEX idx_orders_customer", "idx_orders_customer|schema is another one"),
    ("CREATE TABLE more (a integer)", "more"),
    ("{no_keys} UPDATE orders SET customer_id = 99 WHERE id = 5", "1 rows break"),
]


def test_a_scratch_copy_that_differs_is_found_out(shop: Shop, chosen: Format, archive: Archive, run: FakeRun) -> None:
    contents = chosen.write(engine_of(shop, run), archive, run)
    prepared = scratch(shop, chosen, archive, contents, run)
    for tampering, words in TAMPERINGS:
        shop.tamper(prepared.name, tampering)
        found = "; ".join(chosen.differences(engine_of(shop, run), archive, contents, prepared, run))
        assert re.search(words, found) if words else not found, (tampering, found)
    chosen.clean_up(engine_of(shop, run), run.operation_id, run.fence)
    assert shop.leftovers() == []
