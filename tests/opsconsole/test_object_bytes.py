"""The bytes of stored objects: whatever is not what was written is found, and nothing grows with their size."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from backports import zstd
from pyrage import x25519

from opsconsole.engines import object_bytes
from opsconsole.engines.object_bytes import Broken, Counted, NoKey, Outgoing, checked, decrypted

KEY, OTHER = x25519.Identity.generate(), x25519.Identity.generate()
PLAIN = bytes(range(256)) * 1200


def stored(plain: bytes = PLAIN, *, keys: tuple[x25519.Identity, ...] = (KEY,)) -> tuple[bytes, dict[str, Any]]:
    """(the stored bytes, what must be found in them)."""
    written: list[bytes] = []
    counted = Counted()
    out = Outgoing(counted, written.append, [str(key.to_public()) for key in keys])
    counted.plain(plain)
    out.take(zstd.compress(plain, level=1))
    out.finish()
    return b"".join(written), counted.facts()


def opened(data: bytes, facts: dict[str, Any], *identities: x25519.Identity) -> bytes:
    return b"".join(checked(iter([data]), Counted(), facts, identities=[str(each) for each in identities]))


def test_what_goes_in_comes_out_for_every_recipient() -> None:
    data, facts = stored(keys=(KEY, OTHER))
    assert (opened(data, facts, KEY), opened(data, facts, OTHER)) == (PLAIN, PLAIN)
    assert (facts["size"], facts["plain_size"]) == (len(data), len(PLAIN))
    assert PLAIN[:64] not in data


def test_flips_anywhere_are_found() -> None:
    data, facts = stored(os.urandom(300_000))  # several of age's pieces
    places = [n * (len(data) - 1) // 19 for n in range(20)] + list(range(0, 420, 7))  # the head, too
    for place in places:
        damaged = bytearray(data)
        damaged[place] ^= 1
        with pytest.raises(Broken):
            opened(bytes(damaged), facts, KEY)


@pytest.mark.parametrize(
    "harm", [lambda d: d[:-1], lambda d: d[:-40_000], lambda d: d[:80], lambda d: b"", lambda d: d + b"x"]
)
def test_cut_and_padded_ones_are_found(harm: Callable[[bytes], bytes]) -> None:
    data, facts = stored(os.urandom(200_000))
    with pytest.raises(Broken):
        opened(harm(data), facts, KEY)


def test_a_key_that_does_not_fit_is_no_damage() -> None:
    data, facts = stored()
    for keys in ((), (OTHER,)):
        with pytest.raises(NoKey):
            opened(data, facts, *keys)


def test_a_bomb_is_stopped_where_it_exceeds_what_was_said() -> None:
    data, facts = stored(bytes(50 << 20))
    with pytest.raises(Broken, match="more than"):
        opened(data, facts | {"plain_size": 1 << 20}, KEY)


def test_errors_of_the_disk_stay_themselves() -> None:
    def full(data: bytes) -> None:
        raise OSError(28, "No space left on device")

    out = Outgoing(Counted(), full, [str(KEY.to_public())])
    with pytest.raises(OSError, match="No space left"):
        for _ in range(100):
            out.take(bytes(1 << 16))
    out.abandon()
    data, facts = stored()

    def failing() -> Iterator[bytes]:
        yield data[:300]
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        list(checked(failing(), Counted(), facts, identities=[str(KEY)]))


def test_nothing_is_left_running_when_somebody_stops_in_the_middle() -> None:
    data, _ = stored(os.urandom(2_000_000))
    reading = decrypted(iter([data]), [str(KEY)])
    next(reading)
    reading.close()
    written: list[bytes] = []
    out = Outgoing(Counted(), written.append, [str(KEY.to_public())])
    out.take(bytes(1 << 20))
    out.abandon()
    assert not [each for each in threading.enumerate() if each.name in ("encrypting", "decrypting")]


MEASURED = """
import os, sys, tempfile
sys.path.append(sys.argv[1])
from object_bytes import Counted, Outgoing, checked, read_blocks
from pyrage import x25519
key = x25519.Identity.generate()

def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])

def once(mib):
    file, counted, block = tempfile.TemporaryFile(), Counted(), os.urandom(1 << 18)
    out = Outgoing(counted, file.write, [str(key.to_public())])
    for _ in range(mib * 4):
        counted.plain(block)
        out.take(block)
    out.finish()
    file.flush()
    os.lseek(file.fileno(), 0, 0)
    found = checked(read_blocks(file.fileno()), Counted(), counted.facts(), packed=False, identities=[str(key)])
    assert sum(map(len, found)) == mib << 20
    return peak()

print(once(8), once(128))
"""


def test_memory_is_flat_whatever_the_size() -> None:
    """In a process of its own, which imports what a copy worker does: the peak with 128 MiB is that with 8."""
    folder = str(Path(object_bytes.__file__).parent)
    done = subprocess.run([sys.executable, "-c", MEASURED, folder], capture_output=True, text=True, check=True)
    small, large = map(int, done.stdout.split())
    assert large - small < 6 << 10, done.stdout
    assert large < 48 << 10, done.stdout
