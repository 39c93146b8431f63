"""Commands run within the test's process, so that dozens of tests need no Django start each."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass(frozen=True)
class Said:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON object that it must be."""
        return json.loads(self.out)


Say = Callable[..., Said]


def speaker(monkeypatch: pytest.MonkeyPatch) -> Say:
    """`say("database", "list", "--json", account=ada, stdin="...")` runs a command, in ada's name by a token."""
    monkeypatch.delenv("OPSCONSOLE_TOKEN", raising=False)

    def run(*words: str, account: Any = None, stdin: str = "") -> Said:
        from django.core.management import call_command

        from opsconsole import tokens

        out, err = io.StringIO(), io.StringIO()
        code = 0
        with monkeypatch.context() as patch:
            patch.setattr("sys.stdin", io.StringIO(stdin))
            if account is not None:
                patch.setenv("OPSCONSOLE_TOKEN", tokens.mint(account, "test")[1])
            try:
                call_command(*words, stdout=out, stderr=err)
            except SystemExit as ending:
                code = int(str(ending.code))
        return Said(code, out.getvalue(), err.getvalue())

    return run
