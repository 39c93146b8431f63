"""The cells of a row, as `probe.digest` writes them, taken apart again."""

from __future__ import annotations

from typing import Any


def values_of(cells: bytes) -> list[Any]:
    """The values of a row's cells, as `probe.digest` describes these."""
    return [_value(cell[:1], cell) for cell in split(cells)]


def split(cells: bytes) -> list[bytes]:
    """The single cells of a row."""
    found, at = [], 0
    while at < len(cells):
        end = _cell_end(cells, at)
        found.append(cells[at:end])
        at = end + 1
    return found


def _cell_end(cells: bytes, at: int) -> int:
    if cells[at : at + 1] == b"t":
        colon = cells.index(b":", at)
        return colon + 1 + int(cells[at + 1 : colon])
    end = cells.find(b"|", at)
    return len(cells) if end < 0 else end


def _value(kind: bytes, cell: bytes) -> Any:
    if kind == b"n":
        return None
    if kind == b"t":
        return cell.partition(b":")[2].decode("utf-8", "surrogateescape")
    text = cell[1:].decode()
    if kind == b"i":
        return int(text)
    return float(text) if kind == b"r" else bytes.fromhex(text)
