"""The page of the stores: everybody sees how they are, administrators ask for others and try them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lifecycle.models import BackupCopy
from opsconsole import operations
from opsconsole.clock import now
from opsconsole.models import Operation, Store
from tests.opsconsole.pages.conftest import founding, kinds_of_tests, office  # noqa: F401
from tests.support.backups import list_backup


def test_a_store_is_asked_for_tried_and_looked_into(office: Any, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "attic").mkdir()
    admin, ada = office.at("admin"), office.at("ada")
    given = {
        "name": "attic",
        "kind": "folder",
        "path": str(tmp_path / "attic"),
        "writable": "on",
        "reason": "a second disk",
    }
    admin.post("/new-store/", given)
    asked = Operation.objects.latest("id")
    assert (asked.plan.parameters["action"], asked.plan.parameters["path"]) == ("store.add", given["path"])
    assert not Store.objects.exists()  # it waits for somebody else
    operations.approve(asked, account=office.people.grace, digest=asked.digest, auth_at=now())

    assert admin.post("/stores/attic/check/").status_code == 302
    html = ada.get("/stores/").content.decode()
    assert "is refused by the store itself" in html
    assert "Check attic" not in html and ada.post("/stores/attic/check/").status_code == 403
    assert "Check attic" in admin.get("/stores/").content.decode()
    (tmp_path / "attic" / "backups" / "savings" / "9-1").mkdir(parents=True)
    (tmp_path / "attic" / "backups" / "savings" / "9-1" / "rows.zst").write_bytes(b"half")
    assert "It has no manifest" in admin.get("/stores/attic/rebuild/").content.decode()


def test_the_page_of_a_backup_says_where_it_lies(office: Any) -> None:  # noqa: F811
    backup = list_backup(office.savings, office.people.ada)
    BackupCopy.objects.create(backup=backup, store="attic", state="missing", problem="It does not answer.")
    html = office.at("ada").get(f"/backups/{backup.pk}/").content.decode()
    assert "not there yet" in html and "It does not answer." in html
    assert "Copy it to attic now" in html
