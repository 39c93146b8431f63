"""A call that lacks words ends with a whole example, which is one."""

from __future__ import annotations

import shlex
from argparse import _SubParsersAction
from typing import Any

import pytest
from django.core.management import get_commands, load_command_class

from opsconsole.management.console_command import ConsoleCommand
from tests.support.commands import Say

OURS = ("opsconsole", "lifecycle", "integrity")
ASKING = {"schedule set", "rule set", "store add", "person add", "database add", "pack load", "keys trust"}


def verbs() -> dict[str, Any]:
    """The parser of each verb, by its words."""
    found = {}
    for name, app in get_commands().items():
        command = load_command_class(app, name) if app in OURS else None
        if isinstance(command, ConsoleCommand):
            for group in command.create_parser("manage.py", name)._actions:
                if isinstance(group, _SubParsersAction):
                    found |= {f"{name} {verb}": parser for verb, parser in group.choices.items()}
    return found


def test_each_example_is_a_call_that_the_verb_takes() -> None:
    told = {words: parser.get_default("example") for words, parser in verbs().items()}
    examples = {words: example for words, example in told.items() if example}
    assert examples.keys() >= ASKING
    for words, example in examples.items():
        program, *given = shlex.split(example)
        assert (program, " ".join(given[:2])) == ("manage.py", words)
        verbs()[words].parse_args(given[2:])


def test_a_schedule_that_lacks_something_names_all_of_it_and_a_whole_example(say: Say) -> None:
    said = say("schedule", "set", "x")
    assert said.code == 2
    assert "needs what it starts (kind, like backup) and when (cron," in said.err
    assert "For example: manage.py schedule set nightly --kind backup --cron" in said.err


def test_words_that_argparse_misses_end_with_the_example_too(capsys: pytest.CaptureFixture[str]) -> None:
    parser = verbs()["store add"]
    parser.called_from_command_line = True
    with pytest.raises(SystemExit):
        parser.parse_args(["attic"])
    assert "required: --kind\nFor example: manage.py store add attic" in capsys.readouterr().err
