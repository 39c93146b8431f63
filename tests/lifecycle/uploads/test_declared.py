"""What a database's version is, is said by people: asked for, confirmed by another person, and kept as history."""

from __future__ import annotations

from typing import Any

import pytest

from lifecycle.models import DeclaredVersion
from lifecycle.versions import declared
from lifecycle.versions.declared import Declared
from opsconsole import operations
from opsconsole.exceptions import OperationFailed, Refused, Usage
from opsconsole.states import State
from tests.opsconsole.approvals.scenes import approve
from tests.opsconsole.pages.conftest import Office, founding, kinds_of_tests, office

__all__ = ["founding", "kinds_of_tests", "office"]


def declare(office: Office, login: str = "ada", **given: Any) -> Any:
    account = getattr(office, login)
    asked = {"database": office.savings.pk, **given}
    return operations.request_change(declared.ACTION, asked, account=account, reason="the last migration ran")


def test_a_version_counts_once_another_person_has_agreed_and_its_history_stays(office: Office) -> None:
    asked = declare(office, version="14", name="0014_add_performance_indexes", rules="ignition")
    assert asked.state == State.PENDING_APPROVAL
    assert declared.of(office.savings) == Declared()
    done = approve(office.grace, asked)
    assert done.state == State.SUCCEEDED, done.failure_why
    lower = declare(office, version="3", rules="ignition")
    assert lower.plan.risk_reasons[0].startswith("It is lower than the version 14 that is declared now")
    approve(office.grace, declare(office, version="20", rules="none"))
    assert declared.of(office.savings) == Declared(version=20)
    page = office.at("audrey").get("/databases/savings/version/").content.decode()
    assert "version 14 (0014_add_performance_indexes), rules of ignition" in page
    assert "nothing declared" in page
    assert page.count("Ada in <a") == 2
    assert "Ask to declare" not in page
    with pytest.raises(Usage, match="already"):
        declare(office, version="20")
    with pytest.raises(Usage, match="no rules called magic"):
        declare(office, version="21", rules="magic")
    with pytest.raises(Refused, match="role"):
        declare(office, "audrey", version="21")


def test_a_row_that_nobody_confirmed_is_never_believed(office: Office) -> None:
    approve(office.grace, declare(office, version="14"))
    DeclaredVersion.objects.update(version=13)
    with pytest.raises(OperationFailed, match="not the one that was confirmed"):
        declared.of(office.savings)
    assert "not the one that was confirmed" in office.at("ada").get("/databases/savings/version/").content.decode()
