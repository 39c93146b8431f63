"""The table of rules, and its page."""

import re
from pathlib import Path

from opsconsole.review import RULES, Severity, review_names

PAGE = Path(__file__).resolve().parents[3] / "docs" / "review.md"


def test_the_page_lists_every_rule_as_it_is():
    listed = re.findall(r"^\| `([a-z0-9-]+)` \| (\w+) \| (.*?) \| (.*?) ?\|$", PAGE.read_text(), flags=re.MULTILINE)
    assert listed == [(rule.id, rule.severity.word, rule.what, rule.hint) for rule in RULES.values()]


def test_every_rule_that_asks_for_approval_says_what_to_do_instead():
    assert [rule.id for rule in RULES.values() if rule.severity >= Severity.LOCKING and not rule.hint] == []


def test_file_names_are_four_digits_and_words():
    good = ["0001_users.sql", "0012_add_users_email.up.sql", "0012_add_users_email.down.sql"]
    bad = ["1_users.sql", "0001-users.sql", "0001_Users.sql", "users.sql", "0001_.sql"]
    found = review_names(good + bad)
    assert [finding.object for finding in found] == bad
    assert {finding.severity for finding in found} == {Severity.INFO}
