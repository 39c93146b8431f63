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


def test_the_documented_commands_prove_an_export(history: list[AuditEvent], console: Console) -> None:
    lines = re.findall(r"^    (?:manage\.py|python3) (.*audit.*)$", GUIDE.read_text(), re.M)
    commands = [line.partition(" #")[0] for line in lines]
    verifier = next(words for words in commands if words.startswith("audit verifier")).split()
    check = next(words for words in commands if words.startswith("verify_audit.py")).partition(" [")[0].split()
    (console.home / "audit.jsonl").write_text("".join(export("jsonl")))
    for name, source in (("audit.pub", "keys/audit.pub"), ("kept-checkpoints.log", "audit-checkpoints.log")):
        (console.home / name).write_bytes((console.home / source).read_bytes())
    assert console.run(*verifier[:-1], str(console.home / verifier[-1])).returncode == 0
    done = process.run([process.python(), *check], env=console.env, timeout=60, cwd=console.home)
    assert (done.returncode, done.stdout.split(b":")[0]) == (0, b"The history is sound")
    assert b" operations" not in done.stdout  # --approvals would count them


def test_every_family_and_every_finding_is_explained() -> None:
    text = GUIDE.read_text()
    families = {entry.name.partition(".")[0] + "." for entry in catalogue.every()}
    assert [family for family in sorted(families) if f"`{family}`" not in text] == []
    audit = Path(settings.BASE_DIR) / "opsconsole" / "audit"
    sources = [*audit.glob("*.py"), audit.parent / "verify_audit.py"]
    source = "".join(path.read_text() for path in sources)
    codes = set(re.findall(r"(?:report|_report)\.add\(\s*\"(\w+)\"|_tell\(\s*\"(\w+)\"", source))
    assert [code for pair in sorted(codes) for code in pair if code and f"`{code}`" not in text] == []
