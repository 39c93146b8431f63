"""Snippets written from the documentation of both databases, each with what has to be found in it.

A line that begins with `--- ` opens a snippet and names its findings, as `rule` or `rule=severity` (or `benign`).
A finding may be graver than it must, never lighter, and no rule may be missing or too many.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from opsconsole.review import RULES, Dialect, Severity, review
from tests.opsconsole.review.targets import LIVE

FOLDER = Path(__file__).parent / "corpus"


@dataclass(frozen=True)
class Snippet:
    place: str
    dialect: Dialect
    known: bool  # reviewed against the database in targets.py
    expected: tuple[tuple[str, Severity], ...]
    text: str


def snippets():
    for path in sorted(FOLDER.glob("*.sql")):
        dialect, _, topic = path.stem.partition("_")
        for number, part in enumerate(f"\n{path.read_text()}".split("\n--- ")[1:], 1):
            head, _, text = part.partition("\n")
            rules = tuple(_expected(word) for word in head.split() if word != "benign")
            yield Snippet(f"{path.stem}:{number}", Dialect(dialect), topic.startswith("live"), rules, text)


def _expected(word):
    rule, _, severity = word.partition("=")
    return rule, Severity[severity.upper()] if severity else RULES[rule].severity


ALL = list(snippets())


def test_the_corpus_is_large_enough_and_meets_every_rule():
    assert len(ALL) >= 200
    met = {rule for snippet in ALL for rule, _ in snippet.expected}
    elsewhere = {"too-large", "file-name", "fails-on-schema", "sqlite-reports", "not-checked", "nul"}
    assert met | elsewhere == set(RULES)


@pytest.mark.parametrize("topic", sorted({snippet.place.partition(":")[0] for snippet in ALL}))
def test_no_snippet_is_under_rated(topic):
    wrong = []
    for snippet in ALL:
        if snippet.place.partition(":")[0] != topic:
            continue
        found = review(snippet.text, snippet.dialect, LIVE[snippet.dialect] if snippet.known else None).findings
        given = Counter(finding.rule for finding in found)
        lighter = any(
            finding.severity < severity
            for finding in found
            for rule, severity in snippet.expected
            if rule == finding.rule
        )
        if given != Counter(rule for rule, _ in snippet.expected) or lighter:
            wrong.append((snippet.place, snippet.text, [(one.rule, one.severity.word) for one in found]))
    assert not wrong
