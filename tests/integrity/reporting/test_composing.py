"""What is new, still there, fixed, gone, or was not looked at: by what was told, and by what was asked."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrity.checks.base import Found, Sample, Severity
from integrity.reporting.composing import Before, Composed, compose, masked
from tests.support.reports import found, held

AT = datetime(2026, 11, 26, 2, tzinfo=UTC)
EARLIER = AT - timedelta(days=3)


def stood(*findings: Found) -> dict[str, Before]:
    """As if a report had told of these three days ago."""
    return {
        each.fingerprint: Before(
            finding=number, fingerprint=each.fingerprint, since=EARLIER, check=each.check, subject=each.subject,
            sentence=each.sentence, severity=each.severity, failed=each.failed,
        )
        for number, each in enumerate(findings, 1)
    }  # fmt: skip


def became(composed: Composed) -> dict[str, list[str]]:
    """Subjects by what became of them."""
    return {
        "new": [each.subject for each, is_new, _ in composed.findings if is_new],
        "still": [each.subject for each, is_new, _ in composed.findings if not is_new],
        **{name: [was.subject for was in getattr(composed, name)] for name in ("fixed", "gone", "carried")},
    }


def told(before: Iterable[Found], now: Iterable[Any], looked: Collection[str] | None = None) -> dict[str, list[str]]:
    everything = became(compose(list(now), stood(*before), AT, looked))
    return {name: subjects for name, subjects in everything.items() if subjects}


def failed(check: str) -> Found:
    return found(f"{check} could not be looked at", check=check, failed=True)


@pytest.mark.parametrize(
    ("before", "now", "looked", "became_of"),
    [
        ([], [found("a")], None, {"new": ["a"]}),
        ([found("a")], [found("a"), found("b")], None, {"new": ["b"], "still": ["a"]}),
        ([found("a")], [held("a")], None, {"fixed": ["a"]}),
        ([found("a")], [held("b")], None, {"gone": ["a"]}),
        ([found("a", check="rule:gone")], [held("b")], None, {"gone": ["a"]}),
        ([found("a"), found("b", check="other")], [held("a")], {"orphans"}, {"fixed": ["a"], "carried": ["b"]}),
        ([found("a"), found("b", check="other")], [], {"other"}, {"gone": ["b"], "carried": ["a"]}),
        ([found("a"), found("b")], [failed("orphans"), held("b")], None,
         {"new": ["orphans could not be looked at"], "fixed": ["b"], "carried": ["a"]}),
        ([failed("orphans")], [failed("orphans")], None, {"still": ["orphans could not be looked at"]}),
        ([failed("orphans")], [found("a")], None, {"new": ["a"], "fixed": ["orphans could not be looked at"]}),
        ([failed("orphans")], [], {"other"}, {"carried": ["orphans could not be looked at"]}),
        ([found("a")], [held("a", margin="a sample of 5 %")], None, {"carried": ["a"]}),
        ([], [found("a"), held("a")], None, {"new": ["a"]}),
    ],
)  # fmt: skip
def test_what_stood_is_still_there_fixed_gone_or_not_known(before, now, looked, became_of):
    assert told(before, now, looked) == became_of


def test_a_check_or_rule_that_is_not_there_any_more_leaves_nothing_behind_however_little_is_asked():
    stood_before = stood(found("a", check="rule:removed"), failed("rule:removed"), found("b", check="other"))
    composed = compose([], stood_before, AT, {"orphans"}, {"orphans", "other"})
    assert ([was.check for was in composed.gone], [was.check for was in composed.carried]) == (
        ["rule:removed", "rule:removed"], ["other"]
    )  # fmt: skip


def test_what_stood_of_a_rule_that_is_off_is_set_aside_whatever_was_asked_and_counts_no_more():
    stood_before = stood(found("a", check="rule:off"), failed("rule:off"), found("b", check="other"))
    for looked, known in ((None, {"other"}), ({"orphans"}, {"orphans", "other"})):
        composed = compose(
            [held("b", check="other")], stood_before, AT, looked, known, {"rule:off": 7, "rule:quiet": 8}
        )
        assert [(each.check, each.operation, len(each.stood)) for each in composed.off] == [
            ("rule:off", 7, 2), ("rule:quiet", 8, 0)
        ]  # fmt: skip
        assert not [was for was in (*composed.fixed, *composed.gone, *composed.carried) if was.check == "rule:off"]
    assert compose([found("a", check="rule:off")], stood_before, AT, None, None, {"rule:off": 7}).off[0].stood[0].failed


def test_what_stands_still_stands_since_the_first_report_that_had_it():
    (_, is_new, since), (_, other_is_new, other_since) = compose(
        [found("a"), found("b")], stood(found("a")), AT
    ).findings[::-1]
    assert (is_new, since, other_is_new, other_since) == (False, EARLIER, True, AT)


def test_the_worst_comes_first_and_new_before_old():
    outcomes = [
        found("info", severity="info"), found("few", count=2), found("old", count=9), found("many", count=5),
        found("warning", severity="warning"),
    ]  # fmt: skip
    composed = compose(outcomes, stood(found("old")), AT)
    assert [each.subject for each, _, _ in composed.findings] == ["many", "few", "old", "warning", "info"]


def test_what_was_not_looked_at_counts_among_what_stands():
    composed = compose([found("a"), held("c")], stood(found("b", check="other"), found("c")), AT, {"orphans"})
    assert (composed.count(Severity.CRITICAL), composed.stands(Severity.CRITICAL)) == (1, 2)


def test_samples_are_masked_cut_and_fit_for_json():
    row = ("ada@example.test", 2**60, b"\x01\x02", {"token": "t", "n": 1}, "x" * 900, "a\0b", None, True)
    columns = ("email", "id", "raw", "extra", "text", "odd", "none", "yes")
    kept = masked(Sample(columns=columns, rows=(row,)), "public.users", ["users.raw"])
    assert kept is not None
    email, number, raw, extra, text, odd, none, yes = kept["rows"][0]
    assert (email, number, raw, odd, none, yes) == ("••••••", str(2**60), "••••••", "a␀b", None, True)
    assert extra == '{"token": "••••••", "n": 1}'
    assert len(text) == 501
