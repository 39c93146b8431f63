"""Stores that hang: a look at one ends in seconds and says so, whoever looks."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from opsconsole import operations, system
from opsconsole.exceptions import OperationFailed
from opsconsole.models import Store
from opsconsole.stores import checking, looking
from tests.lifecycle.stores.conftest import KEYS
from tests.support.commands import Say


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANSWER_SECONDS", "WHOLE_SECONDS"):
        monkeypatch.setattr(looking, name, 0.3)


def test_a_server_that_takes_a_connection_and_says_nothing_is_waited_for_as_long_as_is_told(
    console: Any, cast: Any, say: Say, reachable: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "ANSWER_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"http://127.0.0.1:{server.getsockname()[1]}"
        given = ("--endpoint", endpoint, "--bucket", "backups", "--credentials-stdin")
        added = say("store", "add", "silent", "--kind", "s3", *given, account=cast.admin, stdin=KEYS)
        assert added.code == 0, added.err
        found = say("store", "check", "silent", account=cast.admin)
        assert found.code == 1
        assert "silent: store_timeout" in found.out and "did not answer within 0.3 s, at writing .check-" in found.out
        with pytest.raises(OperationFailed, match=r"within 0\.3 s, at reading \.console"):
            checking.require_answer("silent")
    assert any("The store silent does not work: The store's server did not" in line.sentence for line in system.lines())


def test_a_folder_whose_reads_hang_holds_few_looks_and_works_again_once_they_end(
    console: Any, cast: Any, say: Say, sqlite_shop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = tmp_path / ".console"
    os.mkfifo(hanging)  # whoever opens it to read waits until somebody opens it to write
    with monkeypatch.context() as patch:
        impatient(patch)
        added = say("store", "add", "attic", "--kind", "folder", "--path", str(tmp_path), account=cast.admin)
        assert added.code == 0, added.err
        found = checking.check("attic")
        assert (found.code, found.why) == ("store_timeout", "The store attic did not answer within 0.3 s.")
        with pytest.raises(OperationFailed, match=r"did not answer within 0\.3 s"):
            operations.request("backup", sqlite_shop[1], {"store": "attic"}, account=cast.ada)
    hanging.open("wb").close()
    hanging.unlink()
    assert checking.check("attic").code == "ok"
    assert Store.objects.get(name="attic").marked and hanging.read_text()


def test_a_local_store_that_hangs_does_not_hold_the_page_of_the_console(
    console: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with monkeypatch.context() as patch:
        impatient(patch)
        for _ in range(looking.AT_ONCE):
            with pytest.raises(OperationFailed, match="The store local did not answer within"):
                looking.within("local", gate.read_bytes)
        (line,) = (line for line in system.lines() if line.topic == "store")
        assert "The store local did not answer within 0.3 s. Earlier looks at it still wait" in line.sentence
    gate.open("wb").close()
    assert "GiB free" in next(line.sentence for line in system.lines() if line.topic == "store")
