"""What a page shows of a plan's SQL: the gravest lines always, and never more than a page holds."""

from __future__ import annotations

from typing import Any

from lifecycle.migrating.sheets import MOST_FOUND, MOST_LINES, Layout, Sheet, counted, found_in
from lifecycle.sources.acts import Act, Phase, Unit
from opsconsole.review import Dialect

LEDGER = Act(sql="INSERT INTO ledger (name) VALUES (?)", values=("it's",))


def unit(text: str, number: int = 1) -> Unit:
    script = Act(sql=text, script=True, migration=str(number))
    return Unit(
        title=f"Apply {number}", migrations=(str(number),), phases=(Phase(transaction=True, acts=(script, LEDGER)),)
    )


def finding(line: int, severity: str = "destructive", unit: int = 0) -> dict[str, Any]:
    return {
        "unit": unit, "act": 0, "line": line, "severity": severity, "migration": "1", "reason": "It goes.", "hint": "",
        "rule": "drop-table", "statement": 1, "object": "",
    }  # fmt: skip


def laid(units: list[Unit], findings: list[dict[str, Any]]) -> tuple[list[Sheet], int]:
    layout = Layout(Dialect.SQLITE)
    return layout.sheets(units, found_in({"findings": findings})), layout.left_out


def ways(sheet: Sheet) -> list[tuple[int, int, str]]:
    return [
        (each.first, each.last, "folded" if each.folded else "open" if each.lines else "out")
        for each in sheet.texts[0].stretches
    ]


def test_a_long_text_is_folded_around_the_lines_that_something_was_found_on() -> None:
    (sheet,), _ = laid([unit("SELECT 1;\n" * 100)], [finding(50), finding(50, "warning"), finding(99)])
    assert ways(sheet) == [(1, 47, "folded"), (48, 52, "open"), (53, 96, "folded"), (97, 100, "open")]
    marked = [line for each in sheet.texts[0].stretches for line in each.lines if line.found]
    assert [(line.number, line.gravest and line.gravest.severity.word) for line in marked] == [
        (50, "destructive"), (99, "destructive"),
    ]  # fmt: skip
    assert [len(line.found) for line in marked] == [2, 1] and marked[0].found[0].anchor == "sql-1-1-50"
    (ledger,) = sheet.texts[1].stretches
    assert sheet.texts[1].ledger and "".join(span.text for span in ledger.lines[0].spans).endswith('''-- "it's"''')


def test_a_short_text_is_shown_whole_and_a_long_line_is_cut() -> None:
    (sheet,), _ = laid([unit("SELECT 1;\nSELECT '" + "x" * 5000 + "';\n")], [])
    assert ways(sheet) == [(1, 2, "open")]
    line = sheet.texts[0].stretches[0].lines[1]
    assert sum(len(span.text) for span in line.spans) + line.cut == 5010


def test_of_very_much_only_the_gravest_lines_are_sure_to_be_shown() -> None:
    many = [finding(line, "warning") for line in range(1, 5001)] + [finding(4000)]
    (sheet, *others), left_out = laid([unit("DROP TABLE x;\n" * 5000)] + [unit("SELECT 1;", n) for n in (2, 3)], many)
    shown = [line for each in sheet.texts[0].stretches for line in each.lines]
    assert len(shown) <= MOST_LINES + 5 * MOST_FOUND
    assert [line.gravest and line.gravest.severity.word for line in shown if line.number == 4000] == ["destructive"]
    assert ways(sheet)[-1][1:] == (5000, "out") and (others, left_out) == ([], 2)
    worst, rest = counted(found_in({"findings": many}), 3)
    assert (worst.number, worst.more, rest.number, rest.more) == (1, 0, 5000, 4997)
