"""What programs of the console inherit: the settings all of them, a secret only who cannot work without it."""

from __future__ import annotations

import re

import pytest
from cryptography.fernet import Fernet

from opsconsole import inheritance
from opsconsole.inheritance import NEEDS, SECRETS, SETTINGS, environment_for
from tests.support.console import MANAGE

CANARY = "not-for-children"


@pytest.fixture
def full_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS | {"SAVINGS_URL", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD"}:
        monkeypatch.setenv(name, CANARY)
    for name in SETTINGS:
        monkeypatch.setenv(name, "17")


@pytest.mark.parametrize("program", sorted(NEEDS))
def test_a_program_gets_every_setting_and_only_the_secrets_that_it_needs(full_environment: None, program: str) -> None:
    found = environment_for(program)
    assert found.keys() >= SETTINGS
    assert {name for name in SECRETS if found.get(name) == CANARY} == NEEDS[program]


def test_nobody_gets_the_token_of_who_types_a_command_and_only_migrate_the_owner_of_the_tables() -> None:
    assert not any("OPSCONSOLE_TOKEN" in needs for needs in NEEDS.values())
    assert [program for program, needs in NEEDS.items() if "MIGRATE_DATABASE_URL" in needs] == ["migrate"]


def test_variables_that_are_not_ours_reach_services_only_and_urls_who_is_named_them(full_environment: None) -> None:
    reached = {program for program in NEEDS if "SAVINGS_URL" in environment_for(program)}
    assert reached == inheritance.SERVICES
    runner = environment_for("runner", variables=["SAVINGS_URL"])
    assert runner["SAVINGS_URL"] == CANARY
    assert not {"AWS_SECRET_ACCESS_KEY", "PGPASSWORD"} & runner.keys()


def test_a_key_that_is_not_needed_is_replaced_by_a_useless_one_that_the_settings_accept(full_environment: None) -> None:
    beat = environment_for("beat")
    assert len(beat["SECRET_KEY"]) >= 48
    Fernet(beat["FIELD_KEYS"])
    assert beat["FIELD_KEYS"] != environment_for("beat")["FIELD_KEYS"]


def test_every_variable_that_the_settings_read_is_listed() -> None:
    text = (MANAGE.parent / "opsconsole" / "settings.py").read_text()
    read = set(re.findall(r'env\.\w+\("([A-Z_]+)"', text))
    assert "LEASE_SECONDS" in read
    ours = {name for name in read if not name.startswith("OPSCONSOLE_")}
    assert ours == SETTINGS | SECRETS - inheritance.PEOPLE
