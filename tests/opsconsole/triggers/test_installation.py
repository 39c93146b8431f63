from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, models

import opsconsole.migrations
from opsconsole import triggers
from opsconsole.models import AuditEvent, Vote
from opsconsole.triggers import rules
from tests.opsconsole.triggers.test_append_only import refused
from tests.support.console import Console
from tests.support.people import Cast
from tests.support.rows import only_on_postgresql, only_on_sqlite, operation_of, sql, vote

REBUILD = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("opsconsole", "{last}")]
    operations = [
        migrations.AlterField("vote", "reason", models.CharField(max_length=5000, blank=True)),
        migrations.AlterField("operation", "state_reason", models.CharField(max_length=5000, blank=True)),
        migrations.RenameField("policy", "title", "heading"),
    ]
"""


def drop(name: str) -> None:
    """Remove one guard the way somebody with the owner's rights would."""
    guard = next(guard for guard in rules.every() if guard.name == name)
    on = f" ON {guard.table}" if connection.vendor == "postgresql" else ""
    sql(f"DROP TRIGGER {guard.trigger}{on}")


def test_a_migrated_console_has_every_guard(console: Console) -> None:
    assert triggers.problems() == []
    assert triggers.fingerprint() == triggers.expected_fingerprint()


def test_installing_again_changes_nothing(console: Console) -> None:
    before = triggers.fingerprint()
    assert triggers.install() == []
    assert triggers.fingerprint() == before


def test_a_missing_guard_is_told_and_put_back(console: Console) -> None:
    drop("vote_delete_never")
    assert triggers.problems() == ["The guard vote_delete_never on opsconsole_vote is missing."]
    assert triggers.fingerprint() != triggers.expected_fingerprint()
    call_command("migrate", verbosity=0)
    assert triggers.problems() == []


def test_a_changed_guard_is_told_and_put_back(console: Console) -> None:
    if console.vendor == "sqlite":
        drop("vote_delete_never")
        sql("CREATE TRIGGER opsconsole_guard_vote_delete_never BEFORE DELETE ON opsconsole_vote BEGIN SELECT 1; END")
    else:
        sql("CREATE OR REPLACE FUNCTION opsconsole_guard_vote_delete_never() RETURNS trigger LANGUAGE plpgsql "
            "AS 'BEGIN RETURN OLD; END'")  # fmt: skip
    assert triggers.problems() == ["The guard vote_delete_never on opsconsole_vote was changed or switched off."]
    assert triggers.install() == ["vote_delete_never"]
    assert triggers.problems() == []


def test_a_guard_too_many_is_told(console: Console) -> None:
    if console.vendor == "sqlite":
        sql("CREATE TRIGGER helpful AFTER INSERT ON opsconsole_auditevent BEGIN SELECT 1; END")
    else:
        sql("CREATE RULE helpful AS ON INSERT TO opsconsole_auditevent DO INSTEAD NOTHING")
    assert triggers.problems() == ["There is an unknown trigger or rule helpful on opsconsole_auditevent."]


@only_on_postgresql
@pytest.mark.parametrize("how", ["DISABLE", "ENABLE"])
def test_a_guard_that_is_off_or_only_on_at_times_is_told(console: Console, how: str) -> None:
    sql(f"ALTER TABLE opsconsole_vote {how} TRIGGER opsconsole_guard_vote_delete_never")
    assert triggers.problems() == ["The guard vote_delete_never on opsconsole_vote was changed or switched off."]


def test_guards_survive_a_migration_that_rebuilds_tables(
    cast: Cast, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    vote(operation_of(cast.ada, votes_needed=1), cast.grace)
    package = tmp_path / "later_migrations"
    shutil.copytree(Path(opsconsole.migrations.__path__[0]), package, ignore=shutil.ignore_patterns("__pycache__"))
    last = max(path.stem for path in package.glob("0*.py"))
    (package / "0999_rebuild.py").write_text(REBUILD.format(last=last))
    monkeypatch.syspath_prepend(str(tmp_path))
    settings.MIGRATION_MODULES = {"opsconsole": "later_migrations"}
    try:
        call_command("migrate", "opsconsole", verbosity=0)
    finally:
        for name in [name for name in sys.modules if name.startswith("later_migrations")]:
            del sys.modules[name]
    assert triggers.problems() == []
    with refused("append_only"):
        Vote.objects.all()._raw_delete("default")


@only_on_sqlite
def test_a_rebuilt_table_without_its_guards_is_noticed(console: Console) -> None:
    """What Django does on SQLite behind our back; PostgreSQL keeps the triggers of an altered table."""
    drop("auditevent_insert_replace")
    with connection.schema_editor() as editor:
        editor.alter_field(AuditEvent, AuditEvent._meta.get_field("outcome"), _longer())
    assert len(triggers.problems()) == 3
    triggers.install()
    assert triggers.problems() == []


def _longer() -> models.CharField:
    field = models.CharField(max_length=50)
    field.set_attributes_from_name("outcome")
    field.model = AuditEvent
    return field


def test_one_list_makes_names_that_fit_both_backends(console: Console) -> None:
    names = [guard.trigger for guard in rules.every()]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= 63
