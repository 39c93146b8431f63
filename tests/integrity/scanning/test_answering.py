"""Questions about rows are answered together: one pass a table, and one that fails spoils no other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from integrity.checks.base import Answer, Condition, Found, Held, Moment, Outcome, Question, Severity, unheard
from integrity.checks.known import CHECKS
from integrity.scanning import counting, parts
from integrity.scanning.answering import SAMPLED, Budget, answer
from integrity.scanning.examining import examine
from integrity.scanning.selecting import Selection
from integrity.scanning.showing import LONGEST, SAMPLE_ROWS
from opsconsole.engines.inquiry import AskFailed, Inquiry
from tests.integrity.conftest import Ground

ORPHAN = Condition(
    table="children",
    joins='LEFT JOIN parents AS p ON p.id = t.parent_id',
    where="t.parent_id IS NOT NULL AND p.id IS NULL",
    by=("parent_id",),
)  # fmt: skip
LAYOUT = """
CREATE TABLE parents (id integer PRIMARY KEY, name text);
CREATE TABLE children (id integer PRIMARY KEY, parent_id integer, age integer, note text);
CREATE INDEX children_parent ON children (parent_id, age);
INSERT INTO parents VALUES (1, 'one'), (2, 'two');
INSERT INTO children VALUES (1, 1, 5, 'a'), (2, 2, -1, 'b'), (3, 9, NULL, 'c'), (4, NULL, 7, NULL), (5, 9, 8, 'e');
"""


ALONE = Budget(sessions=1)


class Watched(Inquiry):
    """An inquiry that writes down what it is asked."""

    def __init__(self, inner: Inquiry, said: list[str], sessions: list[Inquiry]) -> None:
        super().__init__(inner.seconds)
        self._inner, self._said, self._sessions = inner, said, sessions
        self.vendor = inner.vendor  # type: ignore[misc]
        sessions.append(self)

    def ask(self, sql: str, values: Any = (), *, seconds: float = 0.0) -> list[tuple[Any, ...]]:
        self._said.append(sql)
        self._tick()
        return self._inner.ask(sql, values, seconds=seconds)

    def ask_people(self, statement: str, *, seconds: float = 0.0, most: int = 1000) -> list[dict[str, Any]]:
        self._said.append(statement)
        self._tick()
        return self._inner.ask_people(statement, seconds=seconds, most=most)

    @contextmanager
    def beside(self) -> Iterator[Inquiry]:
        with self._inner.beside() as other:
            yield Watched(other, self._said, self._sessions)


class Asked:
    """Answers by the questions' subjects, and what the database was asked on the way."""

    def __init__(self, ground: Ground, questions: list[Question], budget: Budget = ALONE) -> None:
        self.said: list[str] = []
        self.sessions: list[Inquiry] = []
        self.progress: list[tuple[int, int, str]] = []
        with ground.moment() as moment:
            watched = Watched(moment.inquiry, self.said, self.sessions)
            own = Moment(inquiry=watched, engine=moment.engine, structure=moment.structure, name="ground")
            self.outcomes, self.rows = answer(own, questions, budget, lambda *step: self.progress.append(step))
        self.by_subject = {each.subject: each for each in self.outcomes}

    def __getitem__(self, subject: str) -> Outcome:
        return self.by_subject[subject]

    def counts(self) -> dict[str, int]:
        return {each.subject: each.count if isinstance(each, Found) else 0 for each in self.outcomes}


@pytest.fixture
def family(ground: Ground) -> Ground:
    ground.change(LAYOUT)
    return ground


def asks(subject: str, where: str | Condition, *, table: str = "children", people: bool = False) -> Question:
    condition = where if isinstance(where, Condition) else Condition(table=table, where=where, people=people)

    def told(found: Answer) -> Outcome:
        if not found.count:
            return Held(check="test", subject=subject, sentence="fine")
        return Found(
            check="test", subject=subject, severity=Severity.WARNING, category="Business Rules", sentence="bad",
            count=found.count, of=found.of, sample=found.sample, query=found.query,
        )  # fmt: skip

    return Question(
        check="test", subject=subject, title=subject, severity=Severity.WARNING, category="Business Rules",
        condition=condition, told=told, show=("note",),
    )  # fmt: skip


def in_public(ground: Ground, condition: Condition) -> Condition:
    return Condition(**{**vars(condition),
        "table": full(ground, condition.table), "joins": condition.joins.replace("parents", full(ground, "parents"))
    })  # fmt: skip


def full(ground: Ground, table: str) -> str:
    return table if ground.vendor == "sqlite" else f"public.{table}"


def test_all_conditions_of_a_table_and_its_rows_are_counted_in_one_statement(family: Ground) -> None:
    children, parents = full(family, "children"), full(family, "parents")
    found = Asked(
        family,
        [
            asks("old enough", "t.age < 0", table=children),
            asks("has a parent", "t.parent_id IS NULL -- a comment", table=children, people=True),
            asks("named", "t.name = ''", table=parents),
            asks("short", "length(t.note) > 3", table=children),
        ],
    )
    assert found.counts() == {"old enough": 1, "has a parent": 1, "named": 0, "short": 0}
    assert found.rows == {children: 5, parents: 2}
    passes = [each for each in found.said if "count(*)" in each]
    assert len(passes) == 2 and len(found.said) == 3  # and one look at rows, for all that was found
    told = found["has a parent"]
    assert isinstance(told, Found) and told.sample and (told.of, told.sample.columns) == (5, ("id", "note"))
    assert told.sample.rows == ((4, None),)
    assert family_rows(family, told.query) == [(4, None, 7, None)]
    assert found.progress == [(0, 2, children), (1, 2, parents)]


def test_rows_that_meet_several_conditions_are_shown_for_each(family: Ground) -> None:
    children = full(family, "children")
    questions = [asks("old", "t.age > 4", table=children), asks("lost", "t.parent_id = 9", table=children, people=True)]
    found = Asked(family, [*questions, asks("elsewhere", "t.age > 4", table="nowhere")])
    shown = {each.subject: each.sample.rows for each in found.outcomes if isinstance(each, Found) and each.sample}
    assert {name: sorted(rows) for name, rows in shown.items()} == {
        "old": [(1, "a"), (4, None), (5, "e")], "lost": [(3, "c"), (5, "e")],
    }  # fmt: skip
    assert len(found.said) == 2
    assert "no table nowhere" in str(found["elsewhere could not be looked at"])


def family_rows(ground: Ground, query: str) -> list[tuple[Any, ...]]:
    with ground.moment() as moment:
        return moment.inquiry.ask(query)


def test_joins_are_asked_by_themselves_and_by_an_index_where_that_is_faster(family: Ground) -> None:
    found = Asked(
        family, [asks("orphans", in_public(family, ORPHAN)), asks("young", "t.age < 0", table=full(family, "children"))]
    )
    assert found.counts() == {"orphans": 2, "young": 1}
    told = found["orphans"]
    assert isinstance(told, Found) and told.sample
    assert sorted(told.sample.rows) == [(3, "c"), (5, "e")]
    assert any("DISTINCT" in each for each in found.said) == (family.vendor == "sqlite")
    family.change("DROP INDEX children_parent")
    without = Asked(family, [asks("orphans", in_public(family, ORPHAN))])
    assert without.counts() == {"orphans": 2}
    assert not any("DISTINCT" in each for each in without.said)


def test_rows_whose_values_are_null_are_counted_by_the_index_too(family: Ground) -> None:
    joined = in_public(family, Condition(
        table="children", joins=ORPHAN.joins, where="p.id IS NULL", by=("parent_id",),
    ))  # fmt: skip
    found = Asked(family, [asks("without", joined)])
    assert found.counts() == {"without": 3}


def test_a_question_that_fails_is_a_finding_and_the_others_are_answered(family: Ground) -> None:
    children = full(family, "children")
    broken = "1 / (t.age - t.age) = 1" if family.vendor == "postgresql" else "json_extract(t.note, '$.a') = 1"
    found = Asked(
        family,
        [
            asks("young", "t.age < 0", table=children),
            asks("gone", "t.no_such_column > 0", table=children, people=True),
            asks("breaks", broken, table=children, people=True),
            asks("steals", "true) AS c0, count(*) FILTER (WHERE false", table=children, people=True),
            asks("ends", "true; DELETE FROM children", table=children, people=True),
            asks("open", "(true", table=children, people=True),
            asks("aggregates", "count(*) > 1", table=children),
            asks("old", "t.age > 6", table=children, people=True),
            asks("orphans", in_public(family, ORPHAN)),
        ],
    )
    failed = {each.subject.partition(" could")[0] for each in found.outcomes if isinstance(each, Found) and each.failed}
    assert failed == {"gone", "breaks", "steals", "ends", "open", "aggregates"}
    assert {name: count for name, count in found.counts().items() if "could" not in name} == {
        "young": 1, "old": 2, "orphans": 2,
    }  # fmt: skip
    assert found.rows == {children: 5}
    alone = [asks("gone", "t.no_such_column > 0", table=children), asks("orphans", in_public(family, ORPHAN))]
    assert (Asked(family, alone).counts()["orphans"], Asked(family, alone).rows) == (2, {children: 5})
    assert [each.subject.partition(" could")[0] for each in found.outcomes] == [
        "young", "gone", "breaks", "steals", "ends", "open", "aggregates", "old", "orphans",
    ]  # fmt: skip


def test_a_question_that_takes_too_long_is_a_finding_and_the_others_are_answered(family: Ground) -> None:
    children = full(family, "children")
    endless = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n) > t.age"
    found = Asked(
        family,
        [asks("slow", endless, table=children), *(asks(f"fine {n}", f"t.age > {n}", table=children) for n in range(4))],
        Budget(sessions=1, seconds=0.5),
    )
    told = found["slow could not be looked at"]
    assert isinstance(told, Found) and "longer than 0.5 seconds" in told.sentence and "seconds=" in told.next_step
    assert found.counts() | {"slow could not be looked at": 0} == {
        "slow could not be looked at": 0, "fine 0": 3, "fine 1": 3, "fine 2": 3, "fine 3": 3,
    }  # fmt: skip


def test_a_table_that_cannot_be_read_in_time_is_given_up_and_a_slow_condition_is_found_out(on_postgres: Ground) -> None:
    on_postgres.change(LAYOUT)
    questions = [asks(f"fine {n}", f"t.age > {n}", table="public.children") for n in range(4)]
    slow = asks("slow", "pg_sleep(5) IS NULL", table="public.children")
    found = Asked(on_postgres, [*questions, slow], Budget(sessions=1, seconds=0.4))
    assert [each.subject for each in found.outcomes if isinstance(each, Found) and each.failed] == [
        "slow could not be looked at"
    ]
    with on_postgres.moment() as moment:
        said: list[str] = []
        watched = Moment(
            inquiry=Watched(moment.inquiry, said, []), engine=moment.engine, structure=moment.structure, name="ground"
        )
        part = parts.Part(source="(SELECT *, pg_sleep(5) AS s FROM public.children OFFSET 0) AS t")
        counts = counting.count_together(watched, part, dict(enumerate(questions)), 0.2)
    assert counts.rows is None and {type(each) for each in counts.by_question.values()} == {AskFailed}
    assert len(said) == 2  # all together, and the rows alone


def test_tables_are_looked_at_side_by_side_within_the_budget(family: Ground) -> None:
    family.change("".join(f"CREATE TABLE more_{n} (id integer PRIMARY KEY, age integer);" for n in range(5)))
    tables = [full(family, f"more_{n}") for n in range(5)]
    questions = [asks(f"{table} old", "t.age > 1", table=table) for table in tables]
    found = Asked(family, questions, Budget(sessions=3))
    assert len(found.sessions) == 4  # the moment's own, which looks at nothing meanwhile
    assert found.rows == dict.fromkeys(tables, 0)
    assert [each.subject for each in found.outcomes] == [each.subject for each in questions]
    assert found.progress[0][0] == 0 and len({step[1] for step in found.progress}) == 1
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("scanning")]


def test_who_looks_on_ends_all_sessions(family: Ground) -> None:
    class Enough(Exception):
        pass

    endless = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n) > t.id"
    questions = [asks(name, endless, table=full(family, name)) for name in ("children", "parents")]
    asked: list[int] = []

    def tick() -> None:
        asked.append(1)
        if len(asked) > 3:
            raise Enough

    with family.moment() as moment, moment.inquiry.ticked(tick), pytest.raises(Enough):
        answer(moment, questions, Budget(), unheard)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("scanning")]


def test_long_values_are_cut_and_few_rows_are_shown(family: Ground) -> None:
    family.change("DELETE FROM children")
    many = ", ".join(f"({n}, 1, 1, '{'x' * 5000}')" for n in range(50))
    family.change(f"INSERT INTO children VALUES {many}")
    told = Asked(family, [asks("any", "true", table=full(family, "children"))])["any"]
    assert isinstance(told, Found) and told.sample and told.count == 50
    assert len(told.sample.rows) == SAMPLE_ROWS
    assert {len(row[1]) for row in told.sample.rows} == {LONGEST}


@pytest.mark.parametrize("vendor", ["sqlite", "postgresql"])
def test_what_people_wrote_is_one_expression(vendor: str) -> None:
    def why(where: str) -> str:
        return counting.why_not(Condition(table="t", where=where, people=True), vendor)

    assert not why("(a > 1) AND b IN (')', '(', ';') -- (")
    for where in ("a) OR (b", "a; b", "(a", "a /* never", "'a"):
        assert why(where)


def test_huge_tables_are_sampled_only_when_asked_and_the_report_says_how_exact_it_is(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "HUGE", 10_000)
    series = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)"
    ground.change(f"CREATE TABLE numbers (id integer PRIMARY KEY, note text);"
                  f"INSERT INTO numbers {series} SELECT i, 'a' FROM n; ANALYZE numbers;")  # fmt: skip
    table = full(ground, "numbers")
    questions = [asks("tenth", "t.id % 10 = 0", table=table), asks("none", "t.id < 0", table=table)]
    exact = Asked(ground, questions)
    assert exact.counts() == {"tenth": 4000, "none": 0} and exact.rows == {table: 40_000}
    found = Asked(ground, questions, Budget(sessions=1, percent=20))
    told, sampled = found["tenth"], found[table]
    assert isinstance(told, Found) and isinstance(sampled, Found) and told.of
    none = found["none"]
    assert isinstance(none, Held) and none.margin.startswith("none among ")  # nothing in a sample proves nothing
    assert sampled.check == SAMPLED and "1 questions found nothing" in sampled.why
    least, most = bounds(told.margin)
    assert least <= told.count <= most and told.count % 5 == 0
    assert 1500 < least <= 4500 and 3500 <= most < 8000
    assert (found.rows == {table: 40_000}) == (ground.vendor == "sqlite")
    assert 20_000 < told.of < 60_000
    assert sampled.count < 20_000


def bounds(margin: str) -> tuple[int, int]:
    least, most = margin.rpartition("between ")[2].split(" and ")
    return int(least.replace(",", "")), int(most.replace(",", ""))


def test_an_estimate_is_between_its_bounds_95_times_in_100() -> None:
    import random

    draw = random.Random(7)
    faults = [draw.choice([0, 0, 0, 0, 40, 50]) for _ in range(5000)]  # they lie together
    inside = 0
    for _ in range(400):
        seen = [count for count in faults if draw.random() < 0.05]
        about = parts.estimate(sum(seen), sum(count * count for count in seen), 0.05)
        inside += about.least <= sum(faults) <= about.most
    assert 0.92 <= inside / 400 <= 0.98


def test_an_inquiry_whose_moment_is_gone_is_asked_alone(on_sqlite: Ground) -> None:
    on_sqlite.change(LAYOUT)
    questions = [asks(name, "true", table=name) for name in ("children", "parents")]
    with on_sqlite.moment() as moment:
        on_sqlite.change("DELETE FROM children")
        with pytest.raises(AskFailed), moment.inquiry.beside():
            pass
        assert answer(moment, questions, Budget(sessions=4), unheard)[1] == {"children": 5, "parents": 2}


def test_all_checks_together_pass_over_each_table_once(family: Ground) -> None:
    said: list[str] = []
    with family.moment() as moment:
        own = Moment(
            inquiry=Watched(moment.inquiry, said, []), engine=moment.engine, structure=moment.structure, name="ground"
        )
        chosen = Selection(checks=tuple(check for check in CHECKS if family.vendor in check.engines), rules=())
        told = examine(own, chosen, ALONE)
    assert told.rows == {full(family, "children"): 5, full(family, "parents"): 2}
    assert len([each for each in said if each.startswith("SELECT count(*) AS n")]) == 2
