"""The page of encryption: what it warns of, asking for recipients, and the recovery kit."""

from __future__ import annotations

import io
import tarfile

from pyrage import x25519

from lifecycle.encryption import recipients
from opsconsole.models import AuditEvent, Environment, Operation
from tests.opsconsole.approvals.scenes import approve
from tests.opsconsole.pages.conftest import Office
from tests.support.backups import list_backup

PRODUCTION = "production"


def test_a_recipient_is_asked_for_confirmed_shown_and_retired(office: Office) -> None:
    admin, public = office.at("admin"), str(x25519.Identity.generate().to_public())
    assert "Its backups are not encrypted" in admin.get("/encryption/").content.decode()
    given = {"label": "Safe", "public_key": f" {public} ", "role": "escrow", "reason": "For when all else is lost"}
    refused = admin.post("/encryption/production/add/", given | {"public_key": "AGE-SECRET-KEY-1NOPE"})
    assert "That is a private key: keep it secret" in refused.content.decode()
    assert "AGE-SECRET-KEY-1NOPE" not in refused.content.decode()
    admin.post("/encryption/production/add/", given)
    approve(office.grace, Operation.objects.get(kind="change"))
    shown = admin.get("/encryption/").content.decode()
    assert public in shown
    assert "It has one recipient only" in shown
    admin.post("/encryption/production/retire/", {"public_key": public, "reason": "Moved to another safe"})
    asked = Operation.objects.filter(kind="change").first()
    assert asked is not None
    assert "It is the last one" in " ".join(asked.plan.risk_reasons)
    approve(office.grace, asked)
    assert recipients.in_force(Environment.objects.get(name=PRODUCTION)) == []
    assert "Retired (1)" in admin.get("/encryption/").content.decode()


def test_only_administrators_ask_and_engineers_get_the_kit(office: Office) -> None:
    backup = list_backup(office.sandbox, office.ada)
    ada = office.at("ada")
    assert ada.post("/encryption/production/add/", {}).status_code == 403
    answer = ada.post("/databases/sandbox/kit/")
    data = b"".join(answer.streaming_content)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert f"recovery-kit-sandbox/manifests/sandbox/{backup.key.rpartition('/')[2]}.json" in tar.getnames()
    assert b'"name":"Ada"' in bytes(AuditEvent.objects.get(type="recovery_kit.made").payload)
    assert office.at("audrey").post("/encryption/kit/").status_code == 403
