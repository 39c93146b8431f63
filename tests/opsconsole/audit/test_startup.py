from __future__ import annotations

import json

from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connection

from opsconsole import audit, kinds, triggers
from opsconsole.models import AuditEvent
from tests.support.console import Console
from tests.support.rows import sql


def told(type: str) -> list[dict[str, object]]:
    rows = AuditEvent.objects.filter(type=type).order_by("id")
    return [json.loads(bytes(payload))["data"] for payload in rows.values_list("payload", flat=True)]


def drop_a_guard() -> None:
    on = " ON opsconsole_vote" if connection.vendor == "postgresql" else ""
    sql(f"DROP TRIGGER opsconsole_guard_vote_delete_never{on}")


def test_a_start_is_told_with_the_fingerprint_of_the_guards(console: Console) -> None:
    assert audit.console_started("web") == []
    fingerprint = triggers.expected_fingerprint()
    gated = {kind.name: kind.gated for kind in kinds.every()}
    assert told("console.started") == [
        {
            "fingerprint": fingerprint, "expected": fingerprint, "problems": [], "debug": False, "failpoints": True,
            "kinds": gated,
        }
    ]  # fmt: skip


def test_a_start_tells_which_guards_were_gone_and_puts_them_back(console: Console) -> None:
    drop_a_guard()
    assert audit.console_started("web") == ["The guard vote_delete_never on opsconsole_vote is missing."]
    assert told("console.started")[0]["fingerprint"] != told("console.started")[0]["expected"]
    assert triggers.problems() == []


def test_the_first_start_tells_which_policies_the_console_was_shipped_with(console: Console) -> None:
    audit.console_started("web")
    audit.console_started("worker")
    assert [policy["name"] for policy in told("policy.shipped")] == ["default"]
    assert [environment["protected"] for environment in told("environment.shipped")] == [False] * 4 + [True]


def test_djangos_checks_warn_about_guards(console: Console) -> None:
    assert "opsconsole.W001" not in [found.id for found in run_checks(databases=["default"])]
    drop_a_guard()
    assert [found.id for found in run_checks(databases=["default"])].count("opsconsole.W001") == 1


def test_a_migration_does_not_hide_that_a_guard_was_gone(console: Console) -> None:
    audit.console_started("web")
    drop_a_guard()
    call_command("migrate", verbosity=0)
    assert told("console.guards_changed")[0]["problems"] == [
        "The guard vote_delete_never on opsconsole_vote is missing."
    ]
    assert told("console.guards_installed")[0]["guards"] == ["vote_delete_never"]
    call_command("migrate", verbosity=0)
    assert len(told("console.guards_changed")) == 1


def test_a_new_database_begins_with_no_events(console: Console) -> None:
    assert not AuditEvent.objects.exists()
