"""Files that people open in a spreadsheet, which takes some texts for formulas and runs them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain, islice
from tempfile import TemporaryFile
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
NARROWEST, WIDEST = 8, 60  # characters of a column; a spreadsheet takes 255 at most
LONGEST = 32_767  # characters of a cell
ROWS_A_PIECE, BYTES_A_PIECE = 200, 1 << 16
_WRAPPED = Alignment(vertical="top", wrap_text=True)
_TIME = "yyyy-mm-dd hh:mm:ss"
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")


def defused(text: str) -> str:
    """With a leading apostrophe, which keeps a spreadsheet from taking it for a formula, where that is needed."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def printable(text: str) -> str:
    """Without control characters, which a workbook cannot hold; they are written out (`\\x00`)."""
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def lines(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """Rows as CSV, some at a time, with no text that a spreadsheet would run."""
    for some in _in_pieces(chain([headers], rows), ROWS_A_PIECE):
        out = io.StringIO(newline="")
        csv.writer(out).writerows([defused(printable(c)) if isinstance(c, str) else c for c in row] for row in some)
        yield out.getvalue().encode()


def workbook(title: str, headers: Sequence[str], rows: Iterable[Sequence[Any]], count: int) -> Iterator[bytes]:
    """One sheet as XLSX: the headers stay in sight and filter the `count` rows, long texts wrap.

    The widths of columns are those of the first rows. Times are without a zone.
    """
    rows = iter(rows)
    first = list(islice(rows, ROWS_A_PIECE))
    book = Workbook(write_only=True)
    sheet = book.create_sheet(title)
    for place, header in enumerate(headers):
        longest = max((len(str(row[place])) for row in first), default=0)
        width = min(max(longest, len(header) + 3, NARROWEST), WIDEST)
        sheet.column_dimensions[get_column_letter(place + 1)].width = width
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(headers))}{count + 1}"
    sheet.append([_cell(sheet, header, bold=True) for header in headers])
    for row in chain(first, rows):
        sheet.append([_cell(sheet, value) for value in row])
    with TemporaryFile() as made:
        book.save(made)
        made.seek(0)
        yield from iter(lambda: made.read(BYTES_A_PIECE), b"")


def _in_pieces(rows: Iterable[Sequence[Any]], size: int) -> Iterator[list[Sequence[Any]]]:
    rows = iter(rows)
    return iter(lambda: list(islice(rows, size)), [])


def _cell(sheet: Any, value: Any, *, bold: bool = False) -> WriteOnlyCell:
    cell = WriteOnlyCell(sheet, defused(printable(value))[:LONGEST] if isinstance(value, str) else value)
    cell.alignment = _WRAPPED
    if isinstance(value, datetime):
        cell.number_format = _TIME
    if bold:
        cell.font = Font(bold=True)
    return cell
