"""PostgreSQL with an owner role that migrates and a role of its own for the running console, as the guide says."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import ProgrammingError

from opsconsole import audit, triggers
from opsconsole.models import AuditEvent
from tests.opsconsole.triggers.test_append_only import refused
from tests.support.console import Console, point_console_at, postgresql_settings
from tests.support.people import assemble
from tests.support.rows import only_on_postgresql, sql
from tests.support.servers import PostgresServer

pytestmark = only_on_postgresql


@pytest.fixture
def two_roles(console: Console, postgres: PostgresServer) -> Iterator[None]:
    """An empty database, migrated by its owner, served by another role with the guide's grants."""
    owner, runner = postgres.create_role(), postgres.create_role()
    name = postgres.create_database(owner=owner)
    guide = (settings.BASE_DIR / "docs" / "operators-guide.md").read_text()
    grants = re.findall(r"^ *((?:ALTER DEFAULT PRIVILEGES|GRANT) .*) TO opsconsole;$", guide, re.M)
    assert len(grants) == 3
    for grant in grants:
        postgres.run(f"{grant} TO {runner.name}", name, role=owner)
    before = dict(settings.DATABASES["default"])
    wanted = postgresql_settings(postgres, name)
    point_console_at(wanted | {"USER": owner.name, "PASSWORD": owner.password})
    call_command("migrate", verbosity=0)
    point_console_at(wanted | {"USER": runner.name, "PASSWORD": runner.password})
    yield
    point_console_at({key: before[key] for key in ("ENGINE", "NAME", "HOST", "PORT", "USER", "PASSWORD")})
    postgres.drop_database(name)


def test_the_running_console_works_without_owning_its_tables(two_roles: None) -> None:
    assemble()
    audit.console_started("web")
    audit.checkpoint(force=True)
    report = audit.verify()
    assert (report.verdict, report.findings) == ("sound", [])
    assert not triggers.could_be_switched_off()


def test_it_cannot_switch_its_guards_off(two_roles: None) -> None:
    audit.record("auth.login")
    for statement in (
        "ALTER TABLE opsconsole_auditevent DISABLE TRIGGER ALL",
        "DROP TRIGGER opsconsole_guard_auditevent_delete_never ON opsconsole_auditevent",
        "SET session_replication_role = replica",
        "TRUNCATE opsconsole_auditevent CASCADE",
    ):
        with pytest.raises(ProgrammingError):
            sql(statement)
    with refused("append_only"):
        AuditEvent.objects.all()._raw_delete("default")


def test_with_one_role_it_could(console: Console) -> None:
    assert triggers.could_be_switched_off()
