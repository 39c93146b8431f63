"""What may be asked for as a store, before anything is sent to it."""

from __future__ import annotations

from typing import Any

import pytest

from opsconsole.exceptions import OperationFailed, Usage
from opsconsole.models import Store
from opsconsole.stores import asking
from opsconsole.stores.opening import credentials_of

THERE = {"kind": "s3", "bucket": "sly", "endpoint": "https://sly.example.org"}


def test_only_variables_meant_for_stores_are_sent_to_one(console: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The access key travels in the clear of each request: the console's own secrets would reach whoever listens."""
    monkeypatch.setenv("DATABASE_URL", "postgres://console:secret@db/console")
    monkeypatch.setenv("STORE_SECRET", "of the store")
    named = {"access_key_env": "DATABASE_URL", "secret_key_env": "STORE_SECRET"}
    with pytest.raises(Usage, match="DATABASE_URL"):
        asking.addition("sly", THERE | named)
    with pytest.raises(OperationFailed):
        credentials_of(Store(name="sly", **THERE, **named))
