"""Times, sizes, counts and badges look the same everywhere."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from django.utils.safestring import mark_safe

from opsconsole.states import FACES, State
from opsconsole.templatetags import console as tags

THIN = "\N{NARROW NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-10, "just now"),
        (-61, "1 minute ago"),
        (-7300, "2 hours ago"),
        (-86400 * 3, "3 days ago"),
        (7300, "in 2 hours"),
    ],
)
def test_times_are_relative(seconds: int, words: str) -> None:
    assert tags.relative(timezone.now() + timedelta(seconds=seconds)) == words


def test_a_time_carries_its_exact_moment_in_utc() -> None:
    html = tags.when(datetime(2026, 11, 20, 10, 30, 5, tzinfo=UTC))
    assert 'title="2026-11-20 10:30:05 UTC"' in html
    assert 'tabindex="0"' in html


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, f"0{THIN}B"),
        (1023, f"1023{THIN}B"),
        (1536, f"1.5{THIN}KiB"),
        (64_400_000, f"61.4{THIN}MiB"),
        (None, "not known"),
    ],
)
def test_sizes_are_binary(value: int | None, words: str) -> None:
    assert tags.size(value) == words


def test_counts_have_thin_separators() -> None:
    assert tags.count(1234567) == f"1{THIN}234{THIN}567"
    assert tags.signed(-1500) == f"−1{THIN}500"
    assert (
        tags.legible("10 tables, 300000 rows at 2026-11-20 10:30")
        == f"10 tables, 300{THIN}000 rows at 2026-11-20 10:30"
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.85, "850 ms"),
        (4.21, "4.2 s"),
        (42, "42 s"),
        (192, "3 min 12 s"),
        (7500, "2 h 5 min"),
        (14_400, "4 h"),
        (100_000, "1 day 3 h"),
        (604_800, "7 days"),
    ],
)
def test_durations_are_read_at_a_glance(seconds: float, words: str) -> None:
    assert tags.duration(seconds) == words


def test_every_state_has_a_word_a_colour_and_an_icon() -> None:
    for state in State:
        html = tags.state_badge(state)
        assert FACES[state].word in html
        assert FACES[state].icon in html
        assert f"oc-{FACES[state].colour}" in html


def test_an_unknown_colour_is_grey_and_nothing_else() -> None:
    assert "oc-grey" in tags.badge("odd", 'red" onclick="x')


def test_words_in_a_badge_are_escaped() -> None:
    assert "<b>" not in tags.badge("<b>bold</b>")


def test_whatever_scrolls_sideways_can_be_scrolled_by_keyboard_and_says_what_it_is():
    texts = {path: path.read_text() for path in (settings.BASE_DIR / "templates").rglob("*.html")}
    scrolled = [
        (path.name, tag) for path, text in texts.items() for tag in re.findall(r'<div class="oc-scroll[^>]*>', text)
    ]
    assert len(scrolled) > 10
    needed = ('tabindex="0"', 'role="region"', 'aria-label="')
    assert [each for each in scrolled if not all(word in each[1] for word in needed)] == []


def test_a_badge_of_a_safe_text_is_not_kept_for_the_same_text_of_people():
    assert "<i>x</i>" in tags.badge(mark_safe("<i>x</i>"))
    assert "&lt;i&gt;x&lt;/i&gt;" in tags.badge("<i>x</i>")
