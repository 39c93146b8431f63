"""A D1 at Cloudflare: the reviewed files and commands are handed out, and what was made of them is compared."""

from __future__ import annotations

import hashlib
import io
import shutil
import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from lifecycle.uploads import bringing
from opsconsole import kinds, operations
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Operation
from opsconsole.states import State
from tests.lifecycle.migrating.conftest import Scene
from tests.lifecycle.pages.test_migrations_page import at, read
from tests.support.cases import work
from tests.support.console import Console
from tests.support.registering import register
from tests.support.shops import SqliteShop
from tests.support.tools import Tools, lay_wrangler, local_d1

NOTES = (
    "\ufeffCREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT);\r\nCREATE INDEX idx_notes_body ON notes (body);\n"
)
WRAPPED = "BEGIN TRANSACTION;\nALTER TABLE customers ADD COLUMN mail TEXT;\nCOMMIT;\n"
LEDGER = "CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP)"
FILES = {"0002_notes.sql": NOTES, "0003_mail.sql": WRAPPED}


@pytest.fixture
def scene(console: Console, cast: Any) -> Scene:
    """The file that an older export of the D1 was made into, and two new migrations."""
    shop = SqliteShop.make(console.files)
    remote(shop.path, LEDGER, "INSERT INTO d1_migrations (name) VALUES ('0001_init.sql')")
    made = Scene(console, cast, shop, register("shop", shop.url, environment="development"))
    made.bring({"0001_init.sql": "SELECT 1;\n", **FILES})
    return made


def remote(path: Path, *statements: str) -> Path:
    with sqlite3.connect(path) as db:
        for statement in statements:
            db.execute(statement)
    return path


def hand_over(scene: Scene, **given: str) -> Operation:
    asked = operations.request("handover", scene.row, {"tool": "wrangler"} | given, account=scene.cast.ada)
    done = work(scene.console, asked)
    assert done.state == State.SUCCEEDED, done.failure_why
    return done


def export(path: Path, into: Path) -> Path:
    """As `wrangler d1 export` writes it: definitions and rows of each table, the others last."""
    with sqlite3.connect(path) as db:
        objects = db.execute("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type <> 'table'")
        lines = ["PRAGMA defer_foreign_keys=TRUE;"]
        for kind, name, text in objects.fetchall():
            if name != "sqlite_sequence":
                lines.append(text.replace('TABLE "', 'TABLE IF NOT EXISTS "', 1) + ";")
            if kind == "table":
                columns = [row[1] for row in db.execute(f"PRAGMA table_info({name})")]
                values = " || ',' || ".join(f'quote("{column}")' for column in columns)
                named = ",".join(f'"{column}"' for column in columns)
                rows = db.execute(f'SELECT {values} FROM "{name}"')
                lines += [f'INSERT INTO "{name}" ({named}) VALUES({row});' for (row,) in rows]
    into.write_text("\n".join(lines))
    return into


def compare(scene: Scene, file: Path, **given: str) -> Operation:
    upload = bringing.from_path(scene.row, file, scene.cast.ada)
    work(scene.console, operations.request("inspect", scene.row, {"upload": str(upload.pk)}, account=scene.cast.ada))
    asked = {"upload": str(upload.pk)} | given
    done = work(scene.console, operations.request("compare", scene.row, asked, account=scene.cast.ada))
    assert done.state == State.SUCCEEDED, done.failure_why
    return done


def test_the_approved_files_are_handed_out_byte_for_byte_and_the_export_is_compared(scene: Scene) -> None:
    with pytest.raises(Usage, match="no handover"):
        operations.draft("compare", scene.row, {"upload": "1"}, account=scene.cast.ada)
    assert "/databases/shop/request/handover/?" in read(at("ada"))
    before = scene.shop.path.read_bytes()
    done = hand_over(scene, d1_name="shop-live")
    assert scene.shop.path.read_bytes() == before
    first, *steps = kinds.get("handover").steps(done.plan)
    assert "Hand out" in first.title and NOTES.strip() in steps[0].sql and not any(each.sql for each in done.plan.steps)
    assert "not looked at" in done.plan.risk_reasons[0] and done.plan.risk == "medium"

    ada = at("ada")
    page, packed = read(ada, f"/operations/{done.pk}/"), _download(ada, done)
    assert "npx wrangler d1 migrations apply shop-live --remote" in page and "Compare the export" in page
    assert done.result["sha256"] == "sha256:" + hashlib.sha256(packed).hexdigest()
    assert done.result["sha256"] in done.plan.evidence["handed out"]
    files = _unpacked(packed)
    assert {name: files[f"migrations/{name}"] for name in FILES} == {
        name: text.encode() for name, text in FILES.items()
    }
    assert set(files) == {"README.txt", "SHA256SUMS", *(f"migrations/{name}" for name in FILES)}
    sums = files["SHA256SUMS"].decode().split()
    assert sums[::2] == [hashlib.sha256(text.encode()).hexdigest() for text in FILES.values()]
    assert "0001_init.sql" not in files["README.txt"].decode()

    cloud = scene.console.files / "cloud.db"
    _copied(scene.shop.path, cloud)
    half = compare(scene, export(cloud, scene.console.files / "old.sql"))
    assert half.result["missing"] == list(FILES) and not half.result["agrees"]
    assert {each["name"] for each in half.result["changes"]} == {
        "table notes", "index idx_notes_body", "table customers"
    }  # fmt: skip
    assert kinds.get("compare").afterwards(half) == ()

    remote(cloud, *NOTES.removeprefix("\ufeff").strip().split("\r\n"), "ALTER TABLE customers ADD COLUMN mail TEXT")
    remote(cloud, *(f"INSERT INTO d1_migrations (name) VALUES ('{name}')" for name in FILES))
    remote(cloud, "INSERT INTO notes (body) VALUES ('it''s\nnew')", "DELETE FROM orders WHERE id > 190")
    good = compare(scene, export(cloud, scene.console.files / "export.sql"), operation=str(done.pk))
    assert good.result["agrees"], good.result
    assert good.result["rows"] == [["notes", 0, 1], ["orders", 200, 190]]
    assert good.result["summary"].startswith("The export has all 2 migrations in its ledger, and its schema is exactly")
    assert scene.shop.path.read_bytes() == before
    assert "orders" in read(ada, f"/operations/{good.pk}/")

    migrate, restore = kinds.get("compare").afterwards(good)
    applied = scene.do(**migrate.parameters)
    assert applied.state == State.SUCCEEDED, applied.failure_why
    asked = dict(restore.parameters) | {"accept": "emptied,clear,uncovered"}
    restored = operations.request("restore", scene.row, asked, account=scene.cast.ada, confirm="shop")
    restored = work(scene.console, restored)
    assert (restored.state, scene.shop.orders()) == (State.SUCCEEDED, 190), restored.failure_why
    with pytest.raises(Refused) as refused:
        operations.draft("compare", scene.row, {"upload": restore.parameters["upload"]}, account=scene.cast.ada)
    assert refused.value.code == "moved_since"


def test_handing_over_asks_the_people_and_the_evidence_that_policies_of_migrations_ask(scene: Scene) -> None:
    with pytest.raises(Usage, match="no name of a D1"):
        operations.draft("handover", scene.row, {"d1_name": "x; curl"}, account=scene.cast.ada)
    plan = operations.draft("handover", scene.row, {"tool": "wrangler"}, account=scene.cast.ada)
    assert plan.parameters["units_digest"] == scene.plan().parameters["units_digest"]
    change = {"name": "migrations", "title": "m", "match": {"kinds": ["migrate"]}, "rehearsal_hours": 4}
    more = {"clauses": [{"role": "approvers", "count": 1}], "rehearsal_data_hours": 24, "valid_minutes": 1440}
    operations.request_change("policy.set", change | more, account=scene.cast.admin, reason="it is wanted")
    with pytest.raises(Refused) as refused:
        operations.request("handover", scene.row, {"tool": "wrangler"}, account=scene.cast.ada)
    assert refused.value.code == "not_rehearsed"
    asked = operations.request("rehearse", scene.row, {"tool": "wrangler"}, account=scene.cast.ada)
    assert work(scene.console, asked).state == State.SUCCEEDED
    waiting = operations.request("handover", scene.row, {"tool": "wrangler"}, account=scene.cast.ada)
    assert waiting.state == State.PENDING_APPROVAL
    assert at("ada").get(f"/operations/{waiting.pk}/handover.tar").status_code == 404


def _download(client: Client, operation: Operation) -> bytes:
    answer = client.get(f"/operations/{operation.pk}/handover.tar")
    assert answer.status_code == 200 and "attachment" in answer.headers["Content-Disposition"]
    return bytes(answer.content)


def _unpacked(packed: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        return {each.name: tar.extractfile(each).read() for each in tar}  # type: ignore[union-attr]


def _copied(path: Path, to: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copyfile(path, to)


@pytest.mark.nightly
def test_what_wrangler_itself_makes_and_exports_agrees(console: Console, cast: Any, tools: Tools) -> None:
    """The unpacked tar as wrangler's own folder, on its local D1 in the place of the remote one."""
    project, first = console.files / "project", "CREATE TABLE IF NOT EXISTS 'odd one' (id INTEGER PRIMARY KEY);\n"
    more = 'CREATE TABLE "x y" (id INTEGER, at TEXT DEFAULT (datetime(\'now\')));\nALTER TABLE "x y" RENAME TO xy;\n'
    view = "CREATE VIEW IF NOT EXISTS v AS SELECT * FROM xy;\nCREATE UNIQUE INDEX IF NOT EXISTS i ON xy(id);\n"
    folder = lay_wrangler(project, {"0001_first.sql": first})
    assert tools.wrangler_apply(project).code == 0
    file = console.files / "shop.db"
    _copied(local_d1(project), file)
    row = register("shop", f"sqlite:///{file}?flavour=d1", environment="development")
    made = Scene(console, cast, SqliteShop(file), row)
    made.bring({"0001_first.sql": first, "0002_more.sql": more, "0003_view.sql": view})
    done = hand_over(made)
    for name, data in _unpacked(_download(at("ada"), done)).items():
        if name.startswith("migrations/"):
            (folder / name.removeprefix("migrations/")).write_bytes(data)
    assert tools.wrangler_apply(project).code == 0
    exported = console.files / "export.sql"
    assert tools.wrangler(project, "export", "DB", "--local", f"--output={exported}").code == 0
    told = compare(made, exported)
    assert told.result["agrees"], told.result
    assert told.result["applied"] == 3
