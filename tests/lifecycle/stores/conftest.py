"""A console with an S3 store `cloud` and a folder store `attic`, in which the databases of development lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import Say, speaker
from tests.support.servers import S3Server

LOOPBACK = "127.0.0.0/8"
KEYS = "AKIATEST\na secret of a test\n"


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch) -> Say:
    return speaker(monkeypatch)


@pytest.fixture
def reachable(console: Any, settings: Any) -> None:
    """moto's server is on loopback, which has to be allowed."""
    settings.STORE_PRIVATE_NETWORKS = (LOOPBACK,)
    console.env["STORE_PRIVATE_NETWORKS"] = LOOPBACK


AddS3 = Callable[..., Any]


@pytest.fixture
def add_s3(s3_server: S3Server, say: Say, reachable: None) -> AddS3:
    """Add a store in a bucket of its own, or in that of another place, with the command; gives its place."""

    def add(name: str, *more: str, account: Any, place: Any = None) -> Any:
        place = place or s3_server.place(prefix="ops/")
        said = say(
            "store", "add", name, "--kind", "s3", "--endpoint", place.endpoint, "--bucket", place.bucket,
            "--prefix", "ops", "--credentials-stdin", *more, account=account, stdin=KEYS,
        )  # fmt: skip
        assert said.code == 0, said.out + said.err
        return place

    return add


@pytest.fixture
def cloud(console: Any, cast: Any, add_s3: AddS3, say: Say, tmp_path: Path) -> Any:
    """The place of `cloud`; backups of development go there, and a copy into `attic`."""
    from opsconsole import operations

    place = add_s3("cloud", account=cast.admin)
    (tmp_path / "attic").mkdir()
    assert (
        say("store", "add", "attic", "--kind", "folder", "--path", str(tmp_path / "attic"), account=cast.admin).code
        == 0
    )
    given = {"name": "development", "stores": ["cloud", "attic"]}
    assert (
        operations.request_change("environment.edit", given, account=cast.admin, reason="it is wanted").state
        == "succeeded"
    )
    return place
