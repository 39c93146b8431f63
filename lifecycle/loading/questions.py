"""What is done only when somebody said yes: tables and columns without a partner, what is cleared beside them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from lifecycle.loading.base import REPLACE, Covered, Ledger, Options, Question, Uncovered


def is_accepted(code: str, subject: str, options: Options) -> bool:
    """Whether somebody said yes to this one, or to all of its code."""
    return code in options.accept or f"{code}:{subject}" in options.accept


LEDGER = "ledger"


def of(
    tables: Sequence[Covered], absent: Mapping[str, int], uncovered: Sequence[Uncovered], ledgers: Sequence[Ledger],
    options: Options,
) -> tuple[Question, ...]:  # fmt: skip
    """Every question, those first that cost rows. That a ledger stays is none: only that one is replaced."""
    kept = {ledger.table for ledger in ledgers if not ledger.replaced}
    replaced = [
        (LEDGER, ledger.table, f"{ledger.table}, {ledger.words}, is replaced as well")
        for ledger in ledgers
        if ledger.replaced
    ]
    asked = [*_of_uncovered(uncovered, kept, options), *replaced, *_of_absent(absent), *_of_tables(tables, options)]
    return tuple(
        Question(code=code, subject=subject, text=text, accepted=is_accepted(code, subject, options))
        for code, subject, text in asked
    )


def _of_uncovered(
    uncovered: Sequence[Uncovered], kept: Collection[str], options: Options
) -> Iterator[tuple[str, str, str]]:
    if options.mode != REPLACE:
        return
    for item in uncovered:
        if item.referring:
            of = f"{_rows(item.referring)} of {item.table} refer to {', '.join(item.refers_to)}"
            yield "clear", item.table, f"{of}, so {item.table} is cleared as well ({_rows(item.live)} are lost)"
    for item in uncovered:
        if not item.referring and item.table not in kept:
            yield "uncovered", item.table, f"{item.table} is not in the document and keeps its {_rows(item.live)}"


def _of_absent(absent: Mapping[str, int]) -> Iterator[tuple[str, str, str]]:
    for name, rows in absent.items():
        left = f", so its {_rows(rows)} {'is' if rows == 1 else 'are'} left out" if rows else ""
        yield "absent", name, f"the database has no table {name}{left}"


def _of_tables(tables: Sequence[Covered], options: Options) -> Iterator[tuple[str, str, str]]:
    for table in tables:
        if options.mode == REPLACE and not table.rows and table.live:
            yield "emptied", table.table, f"{table.table} is empty in the document: its {_rows(table.live)} are lost"
        for column in table.partnerless:
            subject = f"{table.source}.{column}"
            yield "document_column", subject, f"{table.table} has no column for {subject}, so its values are left out"
        for column in table.defaults:
            subject = f"{table.table}.{column}"
            yield "target_column", subject, f"{subject} is not in the document and gets its default"


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"
