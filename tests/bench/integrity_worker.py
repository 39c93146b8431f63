"""`python -m tests.bench.integrity_worker ours|peer rules|orphans URL COUNTS`: look at a database, and time itself.

The rules are twelve on the ledger, as people write them. Ours answers them in one pass, the peer sends one query a
rule; the orphans are those of every foreign key, of which the peer asks SQLite's own check. What was counted is written
to the file COUNTS, so that it can be compared.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import psycopg

from integrity.checks.base import Answer, Condition, Held, Moment, Outcome, Question, Severity
from integrity.checks.orphans import Orphans
from integrity.scanning.answering import Budget, answer
from opsconsole.engines import engine_class_for, open_engine

RULES = (
    "t.delta > 1000",
    "t.delta < -1000",
    "t.reason = ''",
    "t.reason NOT IN ('habit logged', 'streak bonus', 'goal reached', 'badge earned', 'spent in shop')",
    "t.balance_after < 3",  # which some break, so that rows are shown
    "t.balance_after > 1000000",
    "t.user_id IS NULL",
    "t.created_at < '2000-01-01'",
    "t.created_at > '2030-01-01'",
    "length(t.reason) > 40",
    "t.reason = 'spent in shop' AND t.delta > 100000",
    "t.delta = 0 AND t.balance_after > 1000000",
)
TABLE = "points_ledger"


def main(who: str, what: str, url: str, counts: Path) -> None:
    began = time.monotonic()
    found = ours(what, url) if who == "ours" else peer(what, url)
    print(json.dumps({"wall": time.monotonic() - began}))
    counts.write_text(json.dumps(found))


def ours(what: str, url: str) -> list[int]:
    engine = open_engine(engine_class_for(url).parse(url, roots=[Path("/")]), "opsconsole")
    with engine.inquiry(seconds=600) as inquiry:
        moment = Moment(inquiry=inquiry, engine=engine, structure=engine.structure(), name="savings")
        table = next(name for name in moment.structure.relations if name.rpartition(".")[2] == TABLE)
        found: dict[str, int] = {}
        asked = orphans(moment, found) if what == "orphans" else [rule(table, where, found) for where in RULES]
        answer(moment, list(asked), Budget(), lambda *_: None)
    return [sum(found.values())] if what == "orphans" else [found[where] for where in RULES]


def rule(table: str, where: str, found: dict[str, int]) -> Question:
    def told(answered: Answer) -> Outcome:
        found[where] = answered.count
        return Held(check="bench", subject=where, sentence="")

    return Question(
        check="bench", subject=where, title=where, severity=Severity.WARNING, category="Business Rules",
        condition=Condition(table=table, where=where, people=True), told=told,
    )  # fmt: skip


def orphans(moment: Moment, found: dict[str, int]) -> Iterable[Question]:
    for question in Orphans().questions(moment):
        where = rule(question.condition.table, question.subject, found)
        yield Question(**{**vars(question), "told": where.told})


def peer(what: str, url: str) -> list[int]:
    if what == "orphans":
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as db:
            return [sum(1 for _ in db.execute("PRAGMA foreign_key_check"))]
    queries = [f"SELECT count(*) FROM {TABLE} AS t WHERE {where}" for where in RULES]
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as db:
            return [db.execute(query).fetchone()[0] for query in queries]
    with psycopg.connect(url) as session:
        return [session.execute(query.encode()).fetchall()[0][0] for query in queries]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]))
