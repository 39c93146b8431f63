"""What replacing a live database would cost, as frozen values: per table, and in one sentence with one number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from opsconsole.plans import Confirmation, Effect

NAMED = 3  # tables that the sentence names
AHEAD = timedelta(hours=1)  # a time further in the future than this is a plan of somebody's, not when a row was written


@dataclass(frozen=True, kw_only=True)
class TableLoss:
    """One table on both sides: `live` is what there is now, `other` what would take its place.

    Rows are matched by primary key and compared by digest; without a key, `changed` is None and equal rows cancel out.
    A count of rows is None where the table is not on that side, or nobody knows. Without `exact` the three in the
    middle are estimates, or the least that can be said. Times are aware, in UTC.
    """

    table: str
    rows_live: int | None
    rows_other: int | None
    only_live: int | None
    changed: int | None
    only_other: int | None
    newest_live: datetime | None = None
    newest_other: datetime | None = None
    exact: bool = True
    note: str = ""
    comparable: bool = True  # whether its rows could be compared, given time

    @property
    def surely(self) -> str:
        """What goes before its numbers: "", "about " of an estimate, "at least " where only counts were compared."""
        return "" if self.exact else "at least " if self.changed is None else "about "

    @property
    def noun(self) -> str:
        """`orders` of `public.orders`: the table as a sentence calls it."""
        return self.table.removeprefix("public.")


@dataclass(frozen=True, kw_only=True)
class LossPreview:
    """All tables, the biggest loss first. `other` says what would take the place.

    `other_at` is when it was taken of what is live now; None when it went its own way before (a replaced database).
    """

    tables: tuple[TableLoss, ...]
    other: str  # "backup 12"
    other_at: datetime | None = None

    @property
    def lost(self) -> int:
        """Rows that are only in the live database, as far as that is known."""
        return sum(table.only_live or 0 for table in self.tables)

    @property
    def changed(self) -> int:
        """Rows that would go back to how they were, as far as that is known."""
        return sum(table.changed or 0 for table in self.tables)

    @property
    def exact(self) -> bool:
        return all(table.exact for table in self.tables)

    @property
    def number(self) -> int:
        """What an approver types: the rows lost, or where none is, the changed ones."""
        return self.lost or self.changed

    @property
    def counts(self) -> str:
        """Which number that is."""
        return (
            "rows that would go back to how they were" if self.changed and not self.lost else "rows that would be lost"
        )

    @property
    def span(self) -> timedelta | None:
        """How much time the worst table would lose, as far as can be told.

        That is the time between the newest rows of both sides, but never more than has gone by since the other side was
        taken: a table to which nothing was written for months before a backup loses what came after it, not months.
        """
        worst = next((table for table in self.tables if table.only_live or table.changed), None)
        if worst is None or worst.newest_live is None or self.other_at is None:
            return None
        now = datetime.now(UTC)
        found = min(worst.newest_live - (worst.newest_other or self.other_at), now - self.other_at)
        return found if found > timedelta() and worst.newest_live < now + AHEAD else None

    @property
    def sentence(self) -> str:
        """`You would lose 412 orders of the last 6 h 10 min.`"""
        of = f" of the last {in_words(self.span)}" if self.span else ""
        changed = [(table.noun, table.changed, table.surely) for table in self.tables if table.changed]
        if self.lost:
            lost = _summed(
                [(table.noun, table.only_live, table.surely) for table in self.tables if table.only_live], of
            )
            text = f"You would lose {lost}."
            text += f" Changed since and set back: {_listed(changed)}." if changed else ""
        elif changed:
            text = f"You would lose the changes of {_summed(changed, of)}; no row would be lost."
        else:
            text = "No row would be lost or set back."
        return " ".join([text, *self._doubts()])

    def _doubts(self) -> list[str]:
        unknown = [table.noun for table in self.tables if table.only_live is None or table.changed is None]
        blind = [table.noun for table in self.tables if not table.exact and table.changed is None]
        if blind:
            return [f"Only the counts of {_some(blind)} could be compared, so more may be lost there."]
        return [f"Changes in {_some(unknown)} cannot be told, for lack of a primary key."] if unknown else []

    def effects(self) -> tuple[Effect, ...]:
        """One a table, for the plan."""
        return tuple(_effect(table) for table in self.tables)

    def confirmation(self) -> Confirmation:
        """What the plan asks an approver to type."""
        return Confirmation(sentence=self.sentence, number=self.number, counts=self.counts)


def biggest_first(tables: Iterable[TableLoss]) -> tuple[TableLoss, ...]:
    return tuple(sorted(tables, key=lambda t: (-(t.only_live or 0), -(t.changed or 0), t.exact, t.table)))


def in_words(span: timedelta) -> str:
    """`6 h 10 min`, `3 days`, `2 min`: two units at most."""
    minutes = int(span.total_seconds()) // 60
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days} {'day' if days == 1 else 'days'}" + (f" {hours} h" if hours else "")
    if hours:
        return f"{hours} h" + (f" {minutes % 60} min" if minutes % 60 else "")
    return f"{minutes} min" if minutes else f"{max(1, int(span.total_seconds()))} s"


def grouped(number: int) -> str:
    """`1 204`, with thin separators."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _summed(found: Sequence[tuple[str, int | None, str]], of: str) -> str:
    """`412 orders of the last 6 h`; of several tables the sum goes first, for it is what an approver types."""
    if len(found) == 1:
        return f"{_listed(found)}{of}"
    surely = next((surely for _, _, surely in found if surely), "")
    total = sum(count or 0 for _, count, _ in found)
    return f"{surely}{grouped(total)} rows{of}: {_listed(found)}"


def _listed(found: Sequence[tuple[str, int | None, str]]) -> str:
    """`412 orders, about 38 customers and 5 rows of 2 other tables`"""
    parts = [surely + _rows(noun, count or 0) for noun, count, surely in found[:NAMED]]
    if rest := found[NAMED:]:
        surely = next((surely for _, _, surely in rest if surely), "")
        total = sum(count or 0 for _, count, _ in rest)
        parts.append(f"{surely}{grouped(total)} rows of {len(rest)} other {'table' if len(rest) == 1 else 'tables'}")
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def _rows(noun: str, count: int) -> str:
    return f"1 row of {noun}" if count == 1 else f"{grouped(count)} {noun}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _effect(table: TableLoss) -> Effect:
    gone, new = table.rows_other is None, table.rows_live is None
    return Effect(
        object=table.table,
        action="removed" if gone else "created" if new else "replaced",
        rows_before=table.rows_live,
        rows_after=0 if gone else table.rows_other,
        lost=table.only_live,
        changed=table.changed,
        newest_before=_written(table.newest_live),
        newest_after=_written(table.newest_other),
        exact=table.exact,
        note=table.note,
    )


def _written(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
