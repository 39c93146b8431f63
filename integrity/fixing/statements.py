"""Proposals that are one statement and change no row: each commits by itself, after the rows, and is a step of its own.

Whether a step whose run was lost has had its effect is told by the check that found the fault: it is asked again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from integrity.fixing.actions import CREATE_INDEX
from opsconsole.engines.base import Engine
from opsconsole.engines.scripting import Patience, Script, ScriptFailed
from opsconsole.exceptions import Cancelled, StoppedPartway
from opsconsole.kinds import Run
from opsconsole.plans import Plan

PATIENCE = Patience(lock=10.0)
_INVALID = (
    "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), pg_get_indexdef(i.indexrelid) FROM pg_index i"
    " JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
    " JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace m ON m.oid = t.relnamespace"
    " WHERE NOT i.indisvalid AND m.nspname || '.' || t.relname = ?"
    # a role without rights sees that something is being built, and not what
    " AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p"
    " WHERE p.index_relid = i.indexrelid OR p.index_relid IS NULL)"
)


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One of them, for one finding."""

    check: str
    subject: str
    action: str
    words: str
    table: str
    sql: str

    def to_json(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Stands:
    """How far a run is: steps done of how many, whether the next was begun, and the witness of the rows' step."""

    done: int
    of: int
    begun: bool = False
    rows: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        return {"done": self.done, "of": self.of, "begun": self.begun, "rows": dict(self.rows or {})}


def statements_of(plan: Plan) -> list[Statement]:
    """Those of a sealed plan, in their order."""
    return [Statement(**{name: str(raw[name]) for name in raw}) for raw in plan.parameters.get("statements", ())]


def run_all(run: Run, statements: Sequence[Statement], before: int, rows: Mapping[str, Any] | None) -> None:
    """Run each, past its commit point; `before` steps were done already.

    Raises StoppedPartway, Cancelled and FenceLost.
    """
    of = before + len(statements)
    with run.engine().script(PATIENCE) as script:
        for done, statement in enumerate(statements, start=before):
            _look(run, done, of)
            run.progress(done, of, "steps", step=statement.words)
            with _told(script, statement, done, of):
                remove_unfinished(script, statement, run)
            run.before_commit(witness=Stands(done=done, of=of, begun=True, rows=rows).to_json())
            run.failpoint("fix.statement")
            with _told(script, statement, done, of):
                script.run(statement.sql)
            run.failpoint("fix.statement_done")
            if done + 1 < of:
                run.after_step(witness=Stands(done=done + 1, of=of, rows=rows).to_json())
    run.after_commit()


def remove_unfinished(script: Script, statement: Statement, run: Run) -> None:
    """Drop what an earlier try to create the same index has left: it is never used, and slows every write."""
    for name in unfinished(script, statement):
        run.log(f"Dropping {name}, which an earlier try left unfinished.")
        script.run(f"DROP INDEX CONCURRENTLY {name}", tick=run.check_cancel)


def unfinished(script: Script, statement: Statement) -> list[str]:
    """The index of that very name and definition that is not valid, and that nobody is building; in SQL.

    One that somebody else began, under another name or as a unique one, is theirs: it stays.
    """
    if statement.action != CREATE_INDEX or script.vendor != "postgresql":
        return []
    rows = script.ask(_INVALID, (statement.table,))
    return [str(name) for name, definition in rows if _spelled(str(definition)) == _spelled(statement.sql)]


def left_by(engine: Engine, statement: Statement) -> list[str]:
    """What a lost run of a statement has left that is of no use."""
    with engine.script(PATIENCE, read_only=True) as script:
        return unfinished(script, statement)


def _spelled(statement: str) -> str:
    """A statement that makes an index, as the catalogue and the proposal both spell it."""
    return statement.replace("CONCURRENTLY ", "").replace("USING btree ", "").replace('"', "")


@contextmanager
def _told(script: Script, statement: Statement, done: int, of: int) -> Iterator[None]:
    """What the database refuses ends the run where it stands."""
    try:
        yield
    except ScriptFailed as error:
        left = unfinished(script, statement)
        kept = f" {', '.join(left)} is left unfinished; asking again removes it." if left else ""
        raise StoppedPartway(
            "statement_failed",
            f"{statement.words}: {error.why}. {stood(done, of)}{kept}",
            "Set right what it complains of, then ask again for what is left.",
            data={"done": done, "of": of},
        ) from error


def _look(run: Run, done: int, of: int) -> None:
    try:
        run.check_cancel()
    except Cancelled as error:
        if not done:
            raise
        raise StoppedPartway(error.code, f"{error.why} {stood(done, of)}", data={"done": done, "of": of}) from error


def stood(done: int, of: int) -> str:
    """How many steps stand, in words."""
    return f"{done} of {of} steps were done before, and stay." if done else "Nothing was changed."
