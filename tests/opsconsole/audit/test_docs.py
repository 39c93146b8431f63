"""What docs/audit.md says is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings

from opsconsole import process
from opsconsole.audit import catalogue
from opsconsole.audit.export import export
from opsconsole.models import AuditEvent
from tests.support.console import Console

GUIDE = Path(settings.BASE_DIR) / "docs" / "audit.md"


def run_the_recipe(console: Console, text: str) -> tuple[int, bytes]:
    recipe, exported = console.home / "check.py", console.home / "audit.jsonl"
    recipe.write_text(re.search(r"```python\n(.*?)```", GUIDE.read_text(), re.S)[1])
    exported.write_text(text)
    public = console.home / "keys" / "audit.pub"
    done = process.run([process.python(), str(recipe), str(exported), str(public)], env=console.env, timeout=60)
    return done.returncode, done.stdout


def test_the_recipe_proves_an_export(history: list[AuditEvent], console: Console) -> None:
    assert run_the_recipe(console, "".join(export("jsonl"))) == (0, b"30 events hold\n")


def test_the_recipe_finds_an_edit(history: list[AuditEvent], console: Console) -> None:
    assert run_the_recipe(console, "".join(export("jsonl")).replace("login 12", "login 13"))[0] == 1


def test_every_family_and_every_finding_is_explained() -> None:
    text = GUIDE.read_text()
    families = {entry.name.partition(".")[0] + "." for entry in catalogue.every()}
    assert [family for family in sorted(families) if f"`{family}`" not in text] == []
    audit = Path(settings.BASE_DIR) / "opsconsole" / "audit"
    source = "".join(path.read_text() for path in audit.glob("*.py"))
    codes = set(re.findall(r"(?:report|_report)\.add\(\s*\"(\w+)\"|_tell\(\s*\"(\w+)\"", source))
    assert [code for pair in sorted(codes) for code in pair if code and f"`{code}`" not in text] == []
