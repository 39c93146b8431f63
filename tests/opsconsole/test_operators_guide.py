"""The operator's guide names every setting, every verb and every exit code that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.management import load_command_class

from opsconsole.management.reporting import Exit

TOP = Path(__file__).resolve().parent.parent.parent
GUIDE = (TOP / "docs" / "operators-guide.md").read_text()


def test_every_setting_is_in_the_table_and_none_that_is_gone() -> None:
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', (TOP / "opsconsole" / "settings.py").read_text()))
    elsewhere = {"OPSCONSOLE_PG_BIN", "OPSCONSOLE_BIND", "WEB_THREADS"}
    listed = set(re.findall(r"^\| `([A-Z_]+)` \|", GUIDE, re.MULTILINE))
    assert listed == read | elsewhere


@pytest.mark.parametrize(
    ("app", "command"),
    [("opsconsole", "database"), ("opsconsole", "person"), ("opsconsole", "token"), ("opsconsole", "operation"),
     ("opsconsole", "keys"),
     ("lifecycle", "backup"), ("lifecycle", "store"), ("lifecycle", "retention"), ("integrity", "report"),
     ("integrity", "rule")],
)  # fmt: skip
def test_every_verb_is_told(app: str, command: str) -> None:
    parser = load_command_class(app, command).create_parser("manage.py", command)
    (verbs,) = [action for action in parser._actions if action.dest == "verb"]
    for verb in verbs.choices or ():
        assert re.search(rf"`(?:{command} )?{verb}[ `]", GUIDE), f"{command} {verb}"


def test_every_exit_code_is_told() -> None:
    assert [int(number) for number in re.findall(r"^\| (\d) \|", GUIDE, re.MULTILINE)] == [int(code) for code in Exit]
