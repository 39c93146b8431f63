"""A pipeline that must not deploy without a backup relies on one exit code."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lifecycle.models import Backup
from opsconsole import process
from opsconsole.models import Operation
from opsconsole.tokens import mint
from tests.support.cases import work
from tests.support.console import MANAGE, Console
from tests.support.waiting import wait_until


def asked(console: Console, token: str, *words: str) -> process.Child:
    argv = [process.python(), str(MANAGE), "operate", "backup", "shop", "--json", *words]
    env = console.env | {"OPSCONSOLE_TOKEN": token}
    return process.spawn(argv, env=env, cwd=MANAGE.parent, stdout=process.PIPE)


@pytest.mark.parametrize(
    ("failpoint", "code", "listed"), [("", 0, 1), ("backup.mid:raise", 1, 0), ("backup.data_renamed:raise", 1, 0)]
)
def test_it_goes_on_only_with_a_backup_that_is_listed_and_was_read_through(
    console: Console, cast: Any, sqlite_shop: Any, failpoint: str, code: int, listed: int
) -> None:
    _, row = sqlite_shop
    token = mint(cast.ada, "pipeline")[1]
    child = asked(console, token, "--wait")
    wait_until(lambda: Operation.objects.exists(), "the request", seconds=60)
    operation = Operation.objects.get()
    work(console, operation, **({"OPSCONSOLE_FAILPOINT": failpoint} if failpoint else {}))
    said, _ = child.communicate(timeout=60)
    assert (child.returncode, Backup.objects.filter(database=row).count()) == (code, listed)
    answer = json.loads(said)
    if listed:
        backup = Backup.objects.get()
        assert (answer["result"]["backup"], answer["state"]) == (backup.pk, "succeeded")
        assert [(check["level"], check["ok"]) for check in backup.checks] == [("V1", True)]
    else:
        assert answer["failure"]["next"]


def test_it_does_not_go_on_while_nobody_works(console: Console, cast: Any, sqlite_shop: Any) -> None:
    token = mint(cast.ada, "pipeline")[1]
    child = asked(console, token, "--wait", "1")
    said, _ = child.communicate(timeout=60)
    assert (child.returncode, json.loads(said)["state"]) == (6, "queued")
