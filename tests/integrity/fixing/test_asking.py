"""Findings are asked for again by the very questions that found them, and no others."""

from __future__ import annotations

from integrity.checks.base import Found, Severity
from integrity.checks.orphans import Orphans
from integrity.fixing import asking
from integrity.fixing.asking import Wanted
from integrity.rules.base import Spec
from integrity.scanning.answering import Budget
from tests.integrity.conftest import Ground

TABLES = """
    CREATE TABLE parents (id integer PRIMARY KEY);
    CREATE TABLE sons (id integer PRIMARY KEY, parent integer REFERENCES parents);
    CREATE TABLE daughters (id integer PRIMARY KEY, parent integer REFERENCES parents);
    INSERT INTO sons VALUES (1, 7); INSERT INTO daughters VALUES (1, 7), (2, 7);
"""


def rule(violates: str) -> Spec:
    spec = {"table": "sons", "violates": violates}
    return Spec(name="ages", kind="row", spec=spec, severity=Severity.CRITICAL, category="Business Rules")


def test_only_what_is_wanted_is_asked_and_what_cannot_be_asked_is_never_called_sound(on_sqlite: Ground) -> None:
    on_sqlite.change(TABLES)
    subjects = on_sqlite.found(Orphans())
    (daughters,) = (subject for subject in subjects if "daughters" in subject)
    wanted, broken = Wanted(check=Orphans.name, subject=daughters), Wanted(check="rule:ages", subject="sons")
    with on_sqlite.moment() as moment:
        told = asking.ask(moment, [wanted, broken], [rule("t.age < 0")], Budget())
        sound = asking.ask(moment, [Wanted(check="rule:ages")], [rule("t.id < 0")], Budget())
    assert [asking.number(each) for each in asking.told_of(told, wanted)] == [2]
    (unread,) = asking.told_of(told, broken)
    assert isinstance(unread, Found) and unread.failed and asking.number(unread) is None
    assert {each.subject for each in told if each.check == Orphans.name} == {daughters}
    assert [asking.number(each) for each in asking.told_of(sound, Wanted(check="rule:ages"))] == [0]
