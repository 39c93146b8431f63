"""Whatever happens to a file on its way, reading it ends well: with the same rows, a refusal, or another digest."""

from __future__ import annotations

import copy
import gzip
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyrage
import pytest
from backports import zstd

from opsconsole.exceptions import OperationFailed
from tests.support import documents
from tests.support.documents import IGNITION, SOLANA, SOLANA_STAMP, TASKLETS, Read

V14 = IGNITION / "passion-os-backup-v14-2026-01-05.json"
FIXTURES: dict[str, list[Path]] = {
    "ignition": [V14],
    "tasklets": [TASKLETS / "backup-2026-01-08T14-30-45-123Z.json"],
    "tasklets folder": sorted((TASKLETS / "backup-2025-12-20T00-00-00-000Z").iterdir()),
    "solana": sorted(SOLANA.glob(f"*{SOLANA_STAMP}.json")),
}
KEY = pyrage.x25519.Identity.generate()
CHECKED = {int(zstd.CompressionParameter.checksum_flag): 1}
PACKS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "zst": lambda data: zstd.compress(data, options=CHECKED),
    "age": lambda data: pyrage.encrypt(data, [KEY.to_public()]),
}


def read(folder: Path, contents: dict[str, bytes]) -> Read | None:
    """None when it is refused; anything but a refusal is a failure of this test."""
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    try:
        return documents.read(*(folder / name for name in contents), identities=[str(KEY)])
    except OperationFailed:
        return None


def flips(data: bytes, seed: int) -> Iterator[bytes]:
    """Copies with one bit changed, at twenty places: both ends, and others by chance but the same each time."""
    chance = random.Random(seed)
    places = {0, 1, len(data) - 1, len(data) - 2, *(chance.randrange(len(data)) for _ in range(16))}
    while len(places) < 20:
        places.add(chance.randrange(len(data)))
    for place in sorted(places):
        damaged = bytearray(data)
        damaged[place] ^= 1 << chance.randrange(8)
        yield bytes(damaged)


@pytest.mark.parametrize("wrapping", PACKS)
def test_a_changed_bit_in_what_is_wrapped_is_found_or_means_nothing(tmp_path: Path, wrapping: str) -> None:
    packed = PACKS[wrapping](V14.read_bytes())
    whole = read(tmp_path, {"x": packed})
    assert whole is not None
    found = [read(tmp_path, {"x": damaged}) for damaged in flips(packed, seed=1)]
    assert all(each is None or each.tables == whole.tables for each in found)
    assert found.count(None) >= 15  # the others hit the time of packing and such


@pytest.mark.parametrize("name", FIXTURES)
def test_a_changed_bit_in_plain_json_is_refused_or_only_another_value(tmp_path: Path, name: str) -> None:
    """JSON has no checksum: what parses is covered by the SHA-256 that is kept of each file, and by nothing else."""
    contents = {path.name: path.read_bytes() for path in FIXTURES[name]}
    refused = 0
    for file, data in contents.items():
        for damaged in flips(data, seed=2):
            refused += read(tmp_path, contents | {file: damaged}) is None
    assert refused


def _nodes(value: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of every value inside one."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from _nodes(inner)


ODD: list[Any] = [None, True, -1, "x", "\u0000", [], {}, [1], [[]], {"a": 1}, {"$bytes": 1}, [{"id": []}]]


@pytest.mark.parametrize("name", FIXTURES)
def test_values_of_another_kind_than_expected_break_no_reader(tmp_path: Path, name: str) -> None:
    contents = {path.name: path.read_bytes() for path in FIXTURES[name]}
    chance = random.Random(3)
    for file, data in contents.items():
        whole = json.loads(data)
        for number in sorted(chance.sample(range(len(list(_nodes(whole)))), k=2)):
            for odd in ODD:
                changed = copy.deepcopy(whole)
                container, key = list(_nodes(changed))[number]
                container[key] = odd
                read(tmp_path, contents | {file: json.dumps(changed).encode()})
