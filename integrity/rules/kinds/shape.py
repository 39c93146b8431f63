"""The expected shape: tables, columns and indexes that must be there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from integrity.checks.base import SCHEMA, Found, Held, Moment, Outcome, Severity
from integrity.checks.index_catalogue import Index, indexes
from integrity.rules.base import RuleKind, Spec
from integrity.rules.expected import indexes_of, tables_of
from integrity.rules.members import Member
from integrity.rules.resolving import tables_called
from integrity.rules.rows import next_step
from integrity.rules.types import same_type
from opsconsole.engines.structure import Relation, Structure
from opsconsole.exceptions import Usage

WITHOUT_TABLE = "The application expects this table; whatever reads or writes it fails."
WITHOUT_COLUMN = "The application expects this column so; what names it fails, or reads something else."
WITHOUT_INDEX = "Without it, reads of these columns go through the whole table"


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One thing that is expected: what reports call it, how grave it is, and what is wrong with it, if anything."""

    subject: str
    severity: str  # empty for the rule's
    table: str
    wrong: str
    why: str


class Shape(RuleKind):
    """Each thing that is missing is a finding of its own, with the severity that its member says."""

    name: ClassVar[str] = "shape"
    label: ClassVar[str] = "Expected tables, columns and indexes"
    category: ClassVar[str] = SCHEMA
    members: ClassVar[tuple[Member, ...]] = (
        Member(
            name="tables", label="Tables", kind="json", required=False, default=[],
            help='a list of names, or of {"name", "severity", "columns": [names, or {"name", "type", "severity"}]}',
        ),
        Member(
            name="indexes", label="Indexes", kind="json", required=False, default=[],
            help='a list of names, or of {"name", "table", "columns", "unique", "severity"}; with a table and columns'
            " and no name, any index will do that begins with them",
        ),
    )  # fmt: skip

    def checked(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        found = super().checked(spec)
        return {"tables": tables_of(found["tables"]), "indexes": indexes_of(found["indexes"])}

    def refuse_odd(self, spec: Mapping[str, Any]) -> None:
        if not spec["tables"] and not spec["indexes"]:
            raise Usage("missing_value", "It needs tables or indexes.", "Name at least one thing that must be there.")

    def sentence(self, spec: Mapping[str, Any]) -> str:
        return f"it has {counted(spec)}, as listed"

    def look(self, rule: Spec, moment: Moment) -> Iterator[Outcome]:
        spec, structure = self.checked(rule.spec), moment.structure
        for table in spec["tables"]:
            yield from (_told(part, rule) for part in _of_table(table, structure))
        there = indexes(moment) if spec["indexes"] else []
        for index in spec["indexes"]:
            yield _told(_of_index(index, there, structure), rule)

    def statements(self, rule: Spec, moment: Moment) -> list[str]:
        """It asks the catalogue only; what it expects stands here as comments."""
        return ["\n".join(f"-- {' '.join(f'{name}: {words}'.split())}" for name, words in listed(rule))]


def listed(rule: Spec) -> list[tuple[str, str]]:
    """Each thing that is expected, with how grave its absence is: ("table user", "critical, with id uuid, email")."""
    found = []
    for table in rule.spec["tables"]:
        columns = ", ".join(f"{each['name']} {each['type']}".strip() for each in table["columns"])
        severity = table["severity"] or rule.severity.value
        found.append((f"table {table['name']}", f"{severity}{', with ' * bool(columns)}{columns}"))
    for index in rule.spec["indexes"]:
        words = [index["severity"] or rule.severity.value, "unique" if index["unique"] else ""]
        words.append(f"on {index['table']}" if index["name"] and index["table"] else "")
        found.append((f"index {_index_name(index)}", ", ".join(filter(None, words))))
    return found


def counted(spec: Mapping[str, Any]) -> str:
    """`17 tables, 3 columns and 6 indexes`."""
    columns = sum(len(table["columns"]) for table in spec["tables"])
    counts = ((len(spec["tables"]), "table", "s"), (columns, "column", "s"), (len(spec["indexes"]), "index", "es"))
    *parts, last = [f"{count} {noun}{more * (count != 1)}" for count, noun, more in counts if count]
    return f"{', '.join(parts)} and {last}" if parts else last


def taken_from(moment: Moment) -> dict[str, Any]:
    """The spec that says what is there now."""
    relations = {
        name: relation for name, relation in moment.structure.relations.items() if relation.whole in ("", name)
    }
    tables = [
        {"name": name, "columns": [{"name": field.name, "type": field.type} for field in relation.fields]}
        for name, relation in relations.items()
    ]
    named = [
        {
            "name": each.bare,
            "table": each.table,
            "columns": list(each.columns) if all(each.columns) else [],
            "unique": each.unique,
        }
        for each in indexes(moment)
        if each.table in relations and each.valid and not each.constrained and not each.primary
    ]
    return Shape().checked({"tables": tables, "indexes": named})


def _index_name(index: Mapping[str, Any]) -> str:
    """Its name, or what it is on."""
    return str(index["name"] or f"on {index['table']} ({', '.join(index['columns'])})")


def _told(part: _Part, rule: Spec) -> Outcome:
    if not part.wrong:
        return Held(check=rule.check, subject=part.subject, sentence=f"The {part.subject} is there as expected.")
    return Found(
        check=rule.check,
        subject=part.subject,
        severity=Severity(part.severity) if part.severity else rule.severity,
        category=rule.category,
        sentence=part.wrong,
        table=part.table,
        why=part.why,
        next_step=next_step(rule) if rule.hint else "Look at the tab of migrations for what was not applied.",
    )


def _of_table(table: Mapping[str, Any], structure: Structure) -> Iterator[_Part]:
    name, severity = table["name"], table["severity"]
    found = tables_called(structure, name)
    relation = structure.relations[found[0]] if len(found) == 1 else None
    wrong = "" if relation else f"The table {name} is missing." if not found else f"{name} may be any of {found}."
    full_name = relation.full_name if relation else name
    yield _Part(subject=f"table {name}", severity=severity, table=full_name, wrong=wrong, why=WITHOUT_TABLE)
    for column in table["columns"] if relation else ():
        yield _Part(
            subject=f"column {name}.{column['name']}",
            severity=column["severity"] or severity,
            table=full_name,
            wrong=_wrong_column(name, column, relation) if relation else "",
            why=WITHOUT_COLUMN,
        )


def _wrong_column(table: str, column: Mapping[str, Any], relation: Relation) -> str:
    field = next((field for field in relation.fields if field.name == column["name"]), None)
    if field is None:
        return f"The column {table}.{column['name']} is missing."
    if column["type"] and not same_type(column["type"], field):
        return f"The column {table}.{column['name']} is {field.type or 'of no type'}, and not {column['type']}."
    return ""


def _of_index(wanted: Mapping[str, Any], there: Sequence[Index], structure: Structure) -> _Part:
    name, columns, unique = wanted["name"], tuple(wanted["columns"]), wanted["unique"]
    tables = tables_called(structure, wanted["table"]) if wanted["table"] else []
    table = tables[0] if len(tables) == 1 else ""
    what = _index_name(wanted)
    more = f" on {wanted['table']}" if name and wanted["table"] else ""
    more += f" ({', '.join(columns)})" if name and columns else ""
    is_there = any(
        (index.bare == name if name else not index.predicate)
        and (not wanted["table"] or index.table == table)
        and _serves(index, columns, unique=unique)
        for index in there
    )
    if not name and table:  # the key of a table of SQLite may be the table itself, without an index
        is_there = is_there or any(key.columns == columns for key in structure.relations[table].keys)
    return _Part(
        subject=f"index {what}",
        severity=wanted["severity"],
        table=table or wanted["table"],
        wrong="" if is_there else f"The {'unique ' * unique}index {what}{more} is missing.",
        why=f"{WITHOUT_INDEX}{', and the same values can be there twice' * unique}.",
    )


def _serves(index: Index, columns: tuple[str, ...], *, unique: bool) -> bool:
    """Whether it begins with these columns; to be unique, it has no others. Without columns any index will do."""
    if unique and not (index.unique and columns in ((), index.columns)):
        return False
    return index.valid and index.columns[: len(columns)] == columns
