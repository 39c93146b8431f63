"""DROP TABLE and RENAME of SQLite, judged when the whole text is known: a table that is rebuilt keeps its rows.

SQLite changes a table by making a new one, copying, dropping the old one and renaming. DROP TABLE deletes all rows
first, as it were by DELETE, so that with foreign keys on ON DELETE CASCADE and SET NULL reach rows of other tables
(https://www.sqlite.org/foreignkeys.html, section 5). PRAGMA defer_foreign_keys puts off checks, not actions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from opsconsole.review.context import Context, Event, listed
from opsconsole.review.expressions import calls
from opsconsole.review.reading import Reader, Unreadable, unquoted

_NARROWING = frozenset(
    {"WHERE", "LIMIT", "DISTINCT", "GROUP", "HAVING", "OFFSET", "JOIN", "UNION", "INTERSECT", "EXCEPT"}
)
UNPROVEN = "?"
_JOINING = frozenset({"count", "min", "max", "sum", "total", "avg", "group_concat", "string_agg", "json_group_array"})


@dataclass(eq=False)
class _Table:
    """One table, whatever it is called from time to time. `first_name` is how it was called first."""

    first_name: str
    own: bool  # made by the text
    columns: tuple[str, ...] = ()
    lossy: bool = False  # its constraints drop or replace rows on a conflict
    copies: list[tuple[_Table, str]] = field(default_factory=list)  # from which table, and what is left out
    changed: bool = False  # rows of it were changed or deleted after a copy
    replaces: bool = False  # it bears the name of one that was there


class _Story:
    """What becomes of each table, from the first statement to the last."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.now: dict[str, _Table] = {}
        self.bearers: dict[str, list[_Table]] = {}  # of each name, one after the other
        self.drops: list[tuple[Event, _Table]] = []
        self.renames: list[tuple[Event, _Table]] = []
        for event in context.events:
            getattr(self, f"_{event.kind}")(event)

    def table(self, name: str) -> _Table:
        return self.now.setdefault(name, _Table(name, own=False))

    def _named(self, name: str, table: _Table) -> None:
        self.now[name] = table
        self.bearers.setdefault(name, []).append(table)

    def keeper(self, table: _Table) -> _Table | None:
        """The one that got the name of a table, and a copy of it."""
        later = self.bearers.get(table.first_name, [])
        return next((one for one in later if one is not table and table in [source for source, _ in one.copies]), None)

    def _made(self, event: Event) -> None:
        if event.own or event.table not in self.now:
            self._named(event.table, _Table(event.table, event.own, event.columns, bool(event.other)))
        if event.copy:
            self._copied(self.now[event.table], event.copy)

    def _copy(self, event: Event) -> None:
        if event.copy:
            self._copied(self.table(event.table), event.copy)

    def _write(self, event: Event) -> None:
        table = self.table(event.table)
        table.changed = table.changed or not table.replaces  # later writes are findings of their own

    def _renamed(self, event: Event) -> None:
        table = self.table(event.table)
        del self.now[event.table]
        self._named(event.other, table)
        there = not event.own_after
        table.replaces = table.replaces or (table.own and there)
        self.renames.append((event, table))

    def _dropped(self, event: Event) -> None:
        self.drops.append((event, self.table(event.table)))
        del self.now[event.table]

    def _copied(self, into: _Table, copy: Reader) -> None:
        """Note the table that a copy reads, if it reads one, and what it leaves out."""
        try:
            source, missing = _read_copy(copy, self._columns, into.columns)
        except Unreadable:
            return
        into.copies.append((self.table(source), missing))

    def _columns(self, name: str) -> tuple[str, ...] | None:
        """The columns of a table, in small letters; None when nobody knows them."""
        table = self.table(name)
        relation = self.context.live.relation(table.first_name)
        if not table.own and relation:
            return tuple(field.name.lower() for field in relation.fields if not field.generated)
        return table.columns or None


def judge(context: Context) -> None:
    """Findings for every dropped and renamed table. Called once, after all statements."""
    story = _Story(context)
    rebuilt = set()
    for event, table in story.drops:
        if table.own and not table.replaces:
            reason = f"Drops the table {event.table}, which this text made."
            context.add_at(event.statement, event.line, "drop-own-table", event.table, reason)
            continue
        if keeper := story.keeper(table):
            rebuilt.update({table, keeper})
            _rebuilt(context, event, table, keeper)
        else:
            _dropped(context, event, table)
    for event, table in story.renames:
        if not table.own and table not in rebuilt:
            reason = f"{event.table} is called {event.other} from now on."
            context.add_at(event.statement, event.line, "rename-table", event.table, reason)


def _dropped(context: Context, event: Event, table: _Table) -> None:
    name = event.table if table.own else table.first_name
    children = "" if event.unchecked else context.children(name)
    also = f" Rows of other tables go with it: {children}." if children else ""
    reason = f"Drops the table {name} {context.its_rows(name)}.{also}"
    context.add_at(event.statement, event.line, "drop-table", name, reason)


def _rebuilt(context: Context, event: Event, table: _Table, keeper: _Table) -> None:
    name = table.first_name
    missing = min((left for source, left in keeper.copies if source is table), key=len)
    place = (event.statement, event.line)
    if keeper.lossy:
        missing = missing or "it leaves out or replaces rows that collide"
    if keeper.changed:
        missing = missing or "rows of the copy are changed afterwards"
    if missing == UNPROVEN:
        reason = f"Puts a copy in the place of {name}; nobody knows here whether it has all columns."
        context.add_at(*place, "rebuild-unproven", name, reason)
    elif missing:
        reason = f"Puts a copy in the place of {name} {context.its_rows(name)}, but {missing}."
        context.add_at(*place, "rebuild-incomplete", name, reason)
    else:
        reason = f"Puts a copy of all rows and columns in the place of {name} ({context.size(name) or 'not counted'})."
        relation = context.live.relation(name)
        if relation and relation.triggers:
            reason += f" Its triggers go unless they are made again: {listed(one.name for one in relation.triggers)}."
        context.add_at(*place, "table-rebuild", name, reason)
    if event.unchecked:
        return
    if context.live.structure is None:
        reason = (
            f"Nobody knows here which tables refer to {name}; dropping it deletes their rows if they do so by cascade."
        )
        context.add_at(*place, "rebuild-unproven", name, reason)
    elif children := context.children(name):
        reason = f"Dropping {name} takes rows or values of tables that refer to it: {children}."
        context.add_at(*place, "rebuild-cascades", name, reason)


def _read_copy(
    copy: Reader, columns: Callable[[str], tuple[str, ...] | None], into: tuple[str, ...]
) -> tuple[str, str]:
    """The table that `[INSERT INTO table] SELECT ... FROM table` reads, and what it leaves out, "" for nothing.

    `columns` tells those of a table by its name, `into` are the ones of the new table.
    """
    reader = copy.part(0, len(copy.words))
    skips = ""
    if reader.take("INSERT"):
        if reader.take("OR") and reader.take_one("IGNORE", "REPLACE"):
            skips = "its copy leaves out rows that collide"
        else:
            reader.take_one("ABORT", "FAIL", "ROLLBACK")
        reader.need("INTO")
        reader.name()
        if reader.next == "(":
            into = tuple(reader.group().names())
    reader.need("SELECT")
    narrowed = bool(reader.take_one("DISTINCT"))
    items = reader.until("FROM")
    reader.need("FROM")
    source = reader.name()
    rest = reader.rest()
    if narrowed or _NARROWING & set(rest.words) or "," in rest.words or {"CONFLICT"} & set(rest.words):
        return source, "its copy leaves out rows"
    if any(name in _JOINING for name, _ in calls(items)):
        return source, "its copy puts rows together"
    return source, skips or _left_out(items, columns(source), into)


def _left_out(items: Reader, columns: tuple[str, ...] | None, into: tuple[str, ...]) -> str:
    """Columns that a copy leaves out, or puts where another one belongs."""
    parts = items.part(0, len(items.words)).listed()
    if any(part.words in (["*"], [*part.words[:1], ".", "*"]) for part in parts):
        return _misplaced(columns or (), into) if len(parts) == 1 else ""
    if columns is None:
        return UNPROVEN
    if wrong := _misplaced(tuple(unquoted(part.tokens[-1]) if part.tokens else "" for part in parts), into):
        return wrong
    named = {unquoted(token) for token in items.tokens}
    missing = [name for name in columns if name not in named]
    return f"its copy leaves out the column{'s' * (len(missing) > 1)} {listed(missing)}" if missing else ""


def _misplaced(given: tuple[str, ...], into: tuple[str, ...]) -> str:
    """Values go by their place: a column that both tables have must stand in the same one."""
    for value, column in zip(given, into, strict=False):
        if value != column and value in into and column in given:
            return f"its copy puts {value} into {column}"
    return ""
