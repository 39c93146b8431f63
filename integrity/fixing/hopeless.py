"""Statements that would fail for sure: rows are in the way, or the console's role may not run them.

Rows are counted by the checks that find them, so that whoever is refused can ask for these first, or for both at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from integrity.checks.base import Found, Moment, named, quoted
from integrity.checks.duplicates import RefusedDuplicates
from integrity.checks.index_catalogue import indexes
from integrity.checks.index_faults import InvalidIndex
from integrity.checks.orphans import Orphans, reference_of
from integrity.checks.wording import rows, verb
from integrity.fixing import asking
from integrity.fixing.actions import ON_ROWS
from integrity.fixing.asking import Wanted
from integrity.fixing.laid import Choice
from integrity.fixing.parts import Part
from integrity.scanning.answering import Budget
from opsconsole.engines.inquiry import AskFailed
from opsconsole.exceptions import Refused

_CONSTRAINT = """
SELECT k.contype::text, k.contypid::bigint, coalesce(pg_get_expr(k.conbin, k.conrelid), ''),
  array(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey))
FROM pg_constraint k LEFT JOIN pg_class c ON c.oid = k.conrelid LEFT JOIN pg_type d ON d.oid = k.contypid
JOIN pg_namespace n ON n.oid = k.connamespace
WHERE CASE WHEN k.contypid = 0 THEN n.nspname || '.' || c.relname ELSE 'domain ' || n.nspname || '.' || d.typname END
  || ': ' || k.conname = ?
"""
_OF_DOMAIN = """
SELECT n.nspname || '.' || c.relname, a.attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE a.atttypid = ? AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p') ORDER BY 1, a.attnum
"""
# What a table's owner may do, for MAINTAIN (of PostgreSQL 17) does not cover it; and what others may, too.
_OWNS = "pg_has_role(c.relowner, 'USAGE')"
_MAINTAINS = (
    f"{_OWNS} OR (SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = current_database())"
    " OR CASE WHEN current_setting('server_version_num')::int >= 170000"
    " THEN has_table_privilege(c.oid, 'MAINTAIN') ELSE false END"
)
_RIGHTS = {
    "create_index": _OWNS, "validate_constraint": _OWNS, "reindex": _MAINTAINS, "analyze": _MAINTAINS,
    "vacuum": _MAINTAINS,
}  # fmt: skip


def refuse_hopeless(moment: Moment, choices: Sequence[Choice], seconds: float) -> list[str]:
    """Raise Refused for a statement that would fail; gives back what could not be known beforehand, in words."""
    together = {(choice.found.check, choice.found.subject) for choice in choices if choice.proposal.action in ON_ROWS}
    unknown: list[str] = []
    for choice in choices:
        if choice.proposal.action in ON_ROWS or moment.vendor != "postgresql":
            continue
        _refuse_without_right(moment, choice)
        try:
            for in_the_way in _in_the_way(moment, choice, seconds):
                _refuse(choice, in_the_way, together)
        except AskFailed as error:
            unknown.append(f"{choice.proposal.words}: whether rows are in the way could not be counted ({error.why}).")
    return unknown


def refuse_homeless(moment: Moment, parts: Sequence[Part]) -> None:
    """Raise Refused when the console's role may not keep there what the rows of a fix held."""
    if not parts or moment.vendor != "postgresql":
        return
    home = moment.structure.relations[parts[0].table].schema
    kept = moment.engine.wording.kept_in(home)
    asked = "SELECT has_schema_privilege(n.oid, 'CREATE') OR to_regclass(?) IS NOT NULL FROM pg_namespace n"
    ((may,),) = moment.inquiry.ask(f"{asked} WHERE n.nspname = ?", (kept, home))
    if not may:
        raise Refused(
            "permission",
            f"The console's role may not make a table in the schema {home}, where what the rows held is kept.",
            f"GRANT CREATE ON SCHEMA {home} to it, or let the console use the schema's owner.",
        )


def _refuse_without_right(moment: Moment, choice: Choice) -> None:
    table, may = choice.proposal.table, _RIGHTS.get(choice.proposal.action)
    if may is None or table not in moment.structure.relations:
        return
    asked = f"SELECT {may} FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    found = moment.inquiry.ask(f"{asked} WHERE n.nspname || '.' || c.relname = ?", (table,))
    if found and not found[0][0]:
        raise Refused(
            "permission",
            f"The console's role may not do this: {choice.proposal.words}. Only the owner of {table} may.",
            "Let the console use the table's owner.",
        )


def _refuse(choice: Choice, found: Found, together: set[tuple[str, str]]) -> None:
    """Raise Refused unless the rows are set right in the same plan, before."""
    if found.failed:
        raise AskFailed(found.sentence.rstrip("."))
    if (found.check, found.subject) in together:
        return
    by_check = f"The check {found.check} finds them ({found.subject}): ask for a fix of that first, or of both at once."
    raise Refused(
        "would_fail",
        f"This would fail: {choice.proposal.words}. {found.sentence}",
        by_check if found.proposals else found.next_step,
    )


def _in_the_way(moment: Moment, choice: Choice, seconds: float) -> Iterator[Found]:
    """Findings about rows for which a statement would fail. Raises AskFailed."""
    if choice.proposal.action == "validate_constraint":
        yield from _breaking(moment, choice, seconds)
    elif choice.found.check == InvalidIndex.name:
        index = next((each for each in indexes(moment) if each.name == choice.found.subject), None)
        if index is not None and index.unique:
            yield from _asked(
                moment, Wanted(check=RefusedDuplicates.name, subject=f"{index.table}: {index.bare}"), seconds
            )


def _asked(moment: Moment, wanted: Wanted, seconds: float) -> Iterator[Found]:
    told = asking.told_of(asking.ask(moment, [wanted], (), Budget(seconds=seconds)), wanted)
    yield from (each for each in told if isinstance(each, Found))


def _breaking(moment: Moment, choice: Choice, seconds: float) -> Iterator[Found]:
    """The rows that break a constraint that is to be validated."""
    table, subject = choice.proposal.table, choice.found.subject
    for kind, domain, expression, columns in moment.inquiry.ask(_CONSTRAINT, (subject,)):
        if kind == "f":
            reference = reference_of(moment, table, subject.removeprefix(f"{table}: "))
            if reference is None:
                raise AskFailed("the console cannot compare its columns")
            yield from _asked(moment, Wanted(check=Orphans.name, subject=reference.subject), seconds)
        elif kind == "n":
            yield from _counted(moment, choice, table, named(moment.structure, table), f"{quoted(columns[0])} IS NULL")
        elif domain:
            for place, column in moment.inquiry.ask(_OF_DOMAIN, (domain,)):
                if place in moment.structure.relations:
                    source = f"(SELECT {quoted(column)} AS value FROM {named(moment.structure, place)}) AS held"
                    yield from _counted(moment, choice, place, source, f"NOT ({expression})")
        else:
            yield from _counted(moment, choice, table, named(moment.structure, table), f"NOT ({expression})")


def _counted(moment: Moment, choice: Choice, table: str, source: str, where: str) -> Iterator[Found]:
    """Rows of a source for which a constraint's own condition does not hold; functions in it run with few rights."""
    (row,) = moment.inquiry.ask_people(f"SELECT count(*) AS broken FROM {source} WHERE {where}")
    count = int(row["broken"])
    if count:
        query = f"SELECT * FROM {source} WHERE {where}"
        yield Found(
            check=choice.found.check,
            subject=choice.found.subject,
            severity=choice.found.severity,
            category=choice.found.category,
            sentence=f"{rows(count, table)} {verb(count, 'break', 'breaks')} it.",
            count=count,
            next_step=f"Look at them ({query}) and set them right first, with a rule of kind row that says how, or by "
            "hand.",
        )
