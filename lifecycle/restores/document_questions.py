"""What a restore of data only does when somebody said yes to it: the words on a form, and what stands behind them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lifecycle.documents.base import Problem
from lifecycle.loading import Question, Survey
from opsconsole.exceptions import Refused
from opsconsole.kinds import Parameter

INCOMPLETE = frozenset({"incomplete_set", "table_unread", "table_absent"})  # problems of documents that lack something
CLEAR = "clear"  # the one that costs rows of tables which the document does not hold
WORDS = {  # what is typed or ticked -> the codes of questions that it answers, and what it means
    "uncovered": (("uncovered",), "tables that the document does not hold stay as they are"),
    CLEAR: ((CLEAR,), "tables that refer to replaced rows are emptied as well"),
    "columns": (("document_column", "target_column"), "columns without a partner are left out, or get their default"),
    "absent": (("absent",), "tables that only the document has are left out"),
    "emptied": (("emptied",), "tables that are empty in the document are emptied"),
    "ledgers": (("ledger",), "records of migration tools, which otherwise stay as they are, are replaced as well"),
    "incomplete": ((), "the document is known to be incomplete"),
}
ACCEPT = Parameter(
    name="accept",
    label="Say yes to",
    choices=tuple((word, f"{word}: {meaning}") for word, (_, meaning) in WORDS.items()),
    several=True,
    help="only what the plan names, once you have looked at it",
)
NAMED = 12  # tables or columns that one sentence names


def accepted(accept: str) -> frozenset[str]:
    """The codes of questions that somebody said yes to."""
    return frozenset(code for word in accept.split(",") if word for code in WORDS[word][0])


def refuse_unanswered(survey: Survey, problems: Sequence[Problem], accept: str, *, before: str = "") -> None:
    """Raise Refused("not_accepted") with everything that nobody has said yes to, and the words that would.

    `before` is what may be done first, so that less has to be said yes to.
    """
    given = set(accept.split(","))
    lacking = [problem.text for problem in problems if problem.code in INCOMPLETE and "incomplete" not in given]
    found = list(_sentences(survey.open_questions))
    if not lacking and not found:
        return
    words = [*(word for word, _ in found), *(["incomplete"] if lacking else [])]
    everything = dict.fromkeys([*filter(None, sorted(given)), *words])
    raise Refused(
        "not_accepted",
        f"Nobody has said yes to this yet: {'; '.join([*(each for _, each in found), *lacking]).rstrip('.')}.",
        f"{before}Look at each; then say yes to it: accept={','.join(everything)}.",
    )


def told(survey: Survey, problems: Sequence[Problem]) -> tuple[str, ...]:
    """Everything that was said yes to, in sentences, for those who approve it."""
    lacking = [problem.text for problem in problems if problem.code in INCOMPLETE]
    return (*(f"Accepted: {each}." for _, each in _sentences(survey.questions)), *lacking)


def _sentences(questions: Sequence[Question]) -> Iterator[tuple[str, str]]:
    """(word, sentence) of each kind of question that is among these."""
    for word, (codes, _) in WORDS.items():
        asked = [question for question in questions if question.code in codes]
        if asked:
            named = "; ".join(question.text for question in asked[:NAMED])
            more = f"; and {len(asked) - NAMED} more" if len(asked) > NAMED else ""
            yield word, f"{named}{more}"
