"""Putting a document beside a database, reading only: what goes where, what is left out, what stands in the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from lifecycle.documents.base import DocumentTable, Summary, refusing
from lifecycle.loading import ordering, pairing, questions
from lifecycle.loading.base import (
    FILE,
    MERGE,
    REPLACE,
    STOP,
    Covered,
    Ledger,
    Options,
    Refusal,
    Survey,
    Uncovered,
)
from lifecycle.sources.ledgers import tool_of
from opsconsole.engines.structure import ForeignKey, Relation, Structure
from opsconsole.exceptions import OperationFailed, Usage
from opsconsole.masking import sensitive_columns


class Live(Protocol):
    """The database, open for reading."""

    reads_texts: bool  # whether it understands values as PostgreSQL writes them

    def structure(self) -> Structure: ...

    def counts(self, relations: Sequence[Relation]) -> Mapping[str, int]:
        """Exact rows of each table by its full name."""
        ...

    def referring(self, relation: Relation, key: ForeignKey) -> int:
        """Rows of a table that refer to something by this key."""
        ...


def survey(live: Live, summary: Summary, options: Options) -> Survey:
    """Everything that a plan tells of a load. Raises Usage for options that there are not."""
    if options.mode not in (REPLACE, MERGE) or options.on_reject not in (STOP, FILE):
        raise Usage("bad_option", "A load is replace or merge, and rejects stop it or go to a file.", "Choose one.")
    structure = live.structure()
    every = pairing.tables(summary, structure, options.renames)
    ledgers = tuple(_ledgers(summary, structure, every, options))
    kept = {ledger.table for ledger in ledgers if not ledger.replaced}
    pairs = {source: found for source, found in every.items() if found not in kept}
    counts = live.counts([relation for relation in structure.relations.values() if not relation.partitioned])
    rows = {name: _live_rows(structure, counts, name) for name in structure.relations}
    covered = {
        found: _covered(summary.table(source), structure.relations[found], summary, rows[found], options)
        for source, found in pairs.items()
    }
    uncovered = _uncovered(live, structure, covered, rows, options)
    groups = ordering.groups(structure, list(covered))
    tables = tuple(covered[name] for group in groups for name in group.tables)
    touched = {*covered, *(item.table for item in uncovered if item.cleared)}
    truncates = options.mode == REPLACE and can_truncate(structure, touched)
    tables = tuple(_with_triggers(table, structure, options.mode, truncates) for table in tables)
    absent = {t.name: t.rows for t in summary.tables if t.name not in every and not pairing.is_of_consoles(t.name)}
    return Survey(
        mode=options.mode,
        tables=tables,
        groups=groups,
        absent=absent,
        uncovered=uncovered,
        truncates=truncates,
        questions=questions.of(tables, absent, uncovered, ledgers, options),
        refusals=tuple(_refusals(live, summary, structure, tables, touched, truncates, options)),
        structure=structure,
        ledgers=ledgers,
    )


def _ledgers(summary: Summary, structure: Structure, pairs: Mapping[str, str], options: Options) -> Iterator[Ledger]:
    """Records of migration tools among the target's tables, whether or not the document has rows of them."""
    sources = {found: source for source, found in pairs.items()}
    for name, relation in structure.relations.items():
        if tool := tool_of(relation.name, frozenset(field.name for field in relation.fields)):
            rows = summary.table(sources[name]).rows if name in sources else None
            replaced = rows is not None and questions.is_accepted(questions.LEDGER, name, options)
            yield Ledger(table=name, tool=tool, rows=rows, replaced=replaced)


def can_truncate(structure: Structure, tables: set[str]) -> bool:
    """Whether exactly these can be emptied at one stroke: nothing else refers to them, and nobody counts the rows.

    Row by row it takes longer, but fires triggers on DELETE, which somebody may rely on.
    """
    found = [structure.relations[name] for name in tables]
    if any("TRUNCATE" not in relation.rights or structure.whole(relation.full_name) != relation.full_name
           for relation in found):  # fmt: skip
        return False
    if any("DELETE" in trigger.events for relation in found for trigger in relation.triggers):
        return False
    return all(structure.whole(key.table) in tables for key in structure.foreign_keys if key.parent in tables)


def _live_rows(structure: Structure, counts: Mapping[str, int], name: str) -> int:
    """Of a partitioned table those of its parts, else its own."""
    if not structure.relations[name].partitioned:
        return counts[name]
    return sum(rows for part, rows in counts.items() if structure.whole(part) == structure.whole(name))


def _covered(table: DocumentTable, relation: Relation, summary: Summary, live: int, options: Options) -> Covered:
    pairs = pairing.columns(table, relation, options.renames, summary)
    written = tuple(pair for pair in pairs if not relation.field(pair.target).generated)
    targets, known = {pair.target for pair in written}, {pair.source for pair in pairs}
    return Covered(
        source=table.name,
        table=relation.full_name,
        pairs=written,
        rows=table.rows,
        live=live,
        key=_key(relation, targets, options),
        partnerless=tuple(name for name in table.columns if name not in known),
        defaults=tuple(f.name for f in relation.fields if table.rows and not f.generated and f.name not in targets),
        computed=tuple(pair.source for pair in pairs if pair not in written),
        numbered=relation.sequences,
        discreet=bool(sensitive_columns(relation.full_name, [f.name for f in relation.fields], options.masked)),
    )


def _key(relation: Relation, targets: set[str], options: Options) -> tuple[str, ...]:
    """The primary key, or another one without NULL, whose columns the document has; or what was asked for."""
    wanted = options.keys.get(relation.full_name)
    for key in relation.keys:
        if wanted is not None and set(key.columns) != set(wanted):
            continue
        required = key.primary or all(not relation.field(name).nullable for name in key.columns)
        if set(key.columns) <= targets and (required or wanted is not None):
            return key.columns
    return ()


def _with_triggers(table: Covered, structure: Structure, mode: str, truncates: bool) -> Covered:
    fired = {"INSERT", "UPDATE"} if mode == MERGE else {"INSERT", "TRUNCATE" if truncates else "DELETE"}
    names = tuple(t.name for t in structure.relations[table.table].triggers if fired & set(t.events))
    return Covered(**{**vars(table), "triggers": names})


def _uncovered(
    live: Live, structure: Structure, covered: Mapping[str, Covered], rows: Mapping[str, int], options: Options
) -> tuple[Uncovered, ...]:
    """Tables that the document says nothing of; for a replace also how many of their rows hang on what is cleared."""
    wholes = {structure.whole(name) for name in covered if structure.relations[name].partitioned}
    others = [
        name
        for name, relation in structure.relations.items()
        if name not in covered and structure.whole(name) not in wholes and not relation.partitioned
    ]
    hanging = _hanging(live, structure, set(covered), set(others)) if options.mode == REPLACE else {}
    return tuple(
        Uncovered(
            table=name,
            live=rows[name],
            referring=sum(hanging.get(name, {}).values()),
            refers_to=tuple(sorted(hanging.get(name, {}))),
            cleared=bool(hanging.get(name)) and questions.is_accepted("clear", name, options),
        )
        for name in others
    )


def _hanging(live: Live, structure: Structure, cleared: set[str], others: set[str]) -> dict[str, dict[str, int]]:
    """Table -> what it refers to -> rows, of tables outside that lose what they refer to, or would in turn."""
    found: dict[str, dict[str, int]] = {}
    reached = {structure.whole(name) for name in cleared} | cleared
    waiting = sorted(reached)
    while waiting:
        parent = waiting.pop(0)
        for key in structure.foreign_keys:
            if key.parent != parent:
                continue
            for child in (name for name in others if key.table in (name, structure.whole(name))):
                referring = live.referring(structure.relations[child], key)
                if not referring:
                    continue
                found.setdefault(child, {})[parent] = found.get(child, {}).get(parent, 0) + referring
                if child not in reached:
                    reached.add(child)
                    waiting.append(child)
    return found


def require_unreferred(live: Live, survey: Survey) -> None:
    """Raise OperationFailed when rows of a table that stays refer to what is cleared: some references take such rows
    along. To be asked once nobody can write any more, for the survey was made before.
    """
    structure, cleared = survey.structure, set(survey.cleared)
    reached = cleared | {structure.whole(name) for name in cleared}
    for key in structure.foreign_keys if cleared else ():
        if key.parent not in reached:
            continue
        for name, child in structure.relations.items():
            stays = name not in cleared and structure.whole(name) not in reached and not child.partitioned
            if stays and key.table in (name, structure.whole(name)) and (rows := live.referring(child, key)):
                raise OperationFailed(
                    "referred_meanwhile",
                    f"{rows:,} rows of {name} have come to refer to {key.parent}, which is emptied; nobody has agreed "
                    "to lose them.",
                    "Nothing was changed. Ask again: the plan names them then.",
                )


def _refusals(
    live: Live, summary: Summary, structure: Structure, tables: Sequence[Covered], touched: set[str], truncates: bool,
    options: Options,
) -> Iterator[Refusal]:  # fmt: skip
    for problem in refusing(summary.problems):
        yield problem.code, problem.text, problem.next_step
    if summary.texts and not live.reads_texts:
        yield (
            "foreign_texts",
            "The document holds values as PostgreSQL writes them, which this database would keep as mere texts.",
            "Restore it into a PostgreSQL database.",
        )
    if not tables:
        yield (
            "nothing_fits",
            "The database has none of the tables of the document.",
            "Create the schema first, or choose another database.",
        )
    if not structure.staging:
        yield (
            "no_staging",
            "The role may not make temporary tables in this database.",
            "GRANT TEMPORARY ON DATABASE to it.",
        )
    for table in tables:
        yield from _of_table(table, structure.relations[table.table], options)
    clearing = {"TRUNCATE" if truncates else "DELETE"} if options.mode == REPLACE else set()
    for name in sorted(touched):
        wanted = {"SELECT"} | clearing
        if name in {table.table for table in tables}:
            wanted |= {"INSERT", "UPDATE"} if options.mode == MERGE else {"INSERT"}
        if lacking := sorted(wanted - structure.relations[name].rights):
            yield (
                "permission",
                f"The role may not {', '.join(lacking)} in {name}.",
                f"GRANT {', '.join(lacking)} ON it.",
            )


def _of_table(table: Covered, relation: Relation, options: Options) -> Iterator[Refusal]:
    name = table.table
    if relation.hidden_rows:
        yield "row_security", f"Row security hides rows of {name} from the role.", "Use its owner, or BYPASSRLS."
    empty = [relation.field(column) for column in table.defaults]
    if blank := [field.name for field in empty if not field.nullable and not field.default]:
        yield (
            "column_required",
            f"{name} needs values in {', '.join(blank)}, which the document does not have.",
            "Give the column a default, or name the document's column for it.",
        )
    if not table.pairs and table.rows:
        yield "no_columns", f"No column of {table.source} has a partner in {name}.", "Name the columns' partners."
    if options.mode == MERGE and not table.key and table.rows:
        yield (
            "no_key",
            f"{name} cannot be merged: the document has no primary key or unique key of it that holds at once.",
            "Use mode=replace, or add a unique key to the table.",
        )
