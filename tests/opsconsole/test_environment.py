"""Settings that do not fit keep every program from starting, by name and without their value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from opsconsole import process
from opsconsole.environment import Environment
from tests.support.console import MANAGE

Read = Callable[[Environment], Any]


def of(value: str) -> Environment:
    env = Environment()
    env.ENVIRON = {"SETTING": value, "SETTING_OF_ANOTHER": "7"}
    return env


@pytest.mark.parametrize(
    ("value", "read", "found"),
    [
        ("Yes", lambda env: env.bool("SETTING", False), True),
        ("off", lambda env: env.bool("SETTING", True), False),
        ("$SETTING_OF_ANOTHER", lambda env: env.int("SETTING", 1), 7),
        ("2.5", lambda env: env.float("SETTING", 1), 2.5),
        ("production", lambda env: env.one_of("SETTING", "local", "production"), "production"),
        ("/srv/pay=payments", lambda env: env.dict("SETTING", default={}), {"/srv/pay": "payments"}),
        ("sqlite:////srv/db", lambda env: env.database("SETTING")["NAME"], "/srv/db"),
        ("postgres://a:b@h:1/n", lambda env: env.database("SETTING")["PORT"], 1),
    ],
)
def test_what_fits_is_read(value: str, read: Read, found: object) -> None:
    assert read(of(value)) == found


@pytest.mark.parametrize(
    ("value", "read", "said"),
    [
        ("ture", lambda env: env.bool("SETTING", False), "SETTING is not yes or no."),
        ("30m", lambda env: env.float("SETTING", 1), "SETTING is not a number."),
        ("nan", lambda env: env.float("SETTING", 1), "SETTING is not a number."),
        ("1.5", lambda env: env.int("SETTING", 1), "SETTING is not a whole number."),
        ("prod", lambda env: env.one_of("SETTING", "local", "production"), "SETTING is none of local, production."),
        ("/srv/pay", lambda env: env.dict("SETTING", default={}), "SETTING is not a list of NAME=VALUE with commas."),
        ("shop", lambda env: env.database("SETTING"), "SETTING is neither sqlite:///PATH nor postgres://"),
        ("mysql://a:b@h/n", lambda env: env.database("SETTING"), "SETTING is neither sqlite:///PATH nor postgres://"),
        ("postgres://a:b@h:port/n", lambda env: env.database("SETTING"), "SETTING is neither sqlite:///PATH nor"),
        ("$ecret", lambda env: env.str("SETTING"), "SETTING begins with $"),
        ("$ecret", lambda env: env.str("SETTING", "a default"), "SETTING begins with $"),
    ],
)
def test_what_does_not_fit_is_named_and_not_shown(value: str, read: Read, said: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        read(of(value))
    assert str(refused.value).startswith(said)
    assert value not in str(refused.value).removeprefix(said)


def test_a_command_says_it_in_a_line(tmp_path: Any) -> None:
    env = {"OPSCONSOLE_HOME": str(tmp_path), "OPSCONSOLE_ENV": "prod"}
    done = process.run([process.python(), str(MANAGE), "check"], env=env, cwd=MANAGE.parent)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"The console's settings do not fit: OPSCONSOLE_ENV is none of local, production.")
