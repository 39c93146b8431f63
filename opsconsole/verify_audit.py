#!/usr/bin/env python3
"""Check an audit history of Ops Console on any machine, with nothing but this file and the public key.

    python3 verify_audit.py EXPORT.jsonl audit.pub [--anchors FILE] [--approvals] [--json]

EXPORT.jsonl comes from `manage.py audit export`, audit.pub from the console's `keys` folder, and FILE is the copy of
`audit-checkpoints.log` that was kept elsewhere. Exit code: 0 sound, 1 tampered with, 2 not everything could be proven,
3 the call itself is wrong. Needs Python 3.9 or newer; uses the package `cryptography` where it is installed.

`manage.py audit verify` checks a console's own tables with the same code: this file imports nothing of the console.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, BinaryIO, Callable, NoReturn, Optional, Protocol

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    HAS_CRYPTOGRAPHY = True
except ImportError:
    HAS_CRYPTOGRAPHY = False

STANDALONE = Path(__file__)  # what the console hands out

# -- the arithmetic of the chain --------------------------------------------------------------------------------------

START = bytes(32)  # what the first link follows
LARGEST_INTEGER = 2**53 - 1  # RFC 8785 keeps integers within what every JSON reader holds exactly


def leaf_of(payload: bytes) -> bytes:
    """SHA256(0x00 || payload): 32 bytes that stand for one event."""
    return hashlib.sha256(b"\x00" + payload).digest()


def link(previous: bytes, seq: int, leaf: bytes) -> bytes:
    """SHA256(0x01 || previous link || seq as 8 bytes, big end first || leaf): the next link of the chain."""
    return hashlib.sha256(b"\x01" + previous + seq.to_bytes(8, "big") + leaf).digest()


def canonical_json(value: Any) -> bytes:
    """UTF-8 bytes of `value` under RFC 8785. Raises ValueError on floats, huge integers and unknown types."""
    return _canonical(value).encode("utf-8")


def _canonical(value: Any) -> str:
    if value is None or isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        if abs(value) > LARGEST_INTEGER:
            raise ValueError(f"{value} is too large for canonical JSON; write it as a string")
        return str(value)
    if isinstance(value, Mapping):
        if any(not isinstance(key, str) for key in value):
            raise ValueError("canonical JSON takes text keys only")
        ordered = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(f"{_canonical(key)}:{_canonical(value[key])}" for key in ordered) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_canonical, value)) + "]"
    raise ValueError(f"canonical JSON cannot hold a {type(value).__name__}")


def is_canonical(payload: bytes, told: Any) -> bool:
    """Whether the bytes are in the one form for what they say. The C encoder agrees with RFC 8785 on nearly all."""
    quick = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return quick == payload or canonical_json(told) == payload


def moment_of(text: str) -> datetime:
    """The time that 27 characters like 2026-11-20T11:05:00.123456Z tell. Raises ValueError for any other form."""
    if len(text) != 27 or text[-1] != "Z":
        raise ValueError("a time is written with microseconds and a Z")
    return datetime.fromisoformat(text[:-1] + "+00:00")


def columns(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The index columns that belong to a payload. Raises KeyError, TypeError or ValueError for what is no event."""
    actor, subject = payload["actor"], payload["subject"]
    return {
        "uid": payload["id"],
        "type": payload["type"][:60],
        "at": moment_of(payload["at"]),
        "actor": actor["key"][:120],
        "actor_name": actor["name"][:150],
        "outcome": payload["outcome"][:20],
        "operation_id": subject["operation"],
        "database_id": subject["database"],
        "database_name": subject["name"][:63],
        "kind": subject["kind"][:40],
    }


# -- what a verification finds ----------------------------------------------------------------------------------------

MOST_FINDINGS = 200  # kept word for word; of more, only their number
SOUND, TAMPERED, UNPROVEN = "sound", "tampered", "unproven"
EXIT_CODES = {SOUND: 0, TAMPERED: 1, UNPROVEN: 2}
WRONG_CALL = 3
VERDICTS = {
    SOUND: "The history is sound",
    TAMPERED: "The history was TAMPERED WITH",
    UNPROVEN: "Nothing wrong was found, but not everything could be proven",
}


@dataclass(frozen=True)
class Finding:
    """`code` is stable, `where` names the row (`seq 12`, `operation 4`), `why` says what does not fit."""

    code: str
    where: str
    why: str

    def as_dict(self) -> dict[str, str]:
        return {"code": self.code, "where": self.where, "why": self.why}


@dataclass
class Report:
    """What was checked and what came of it. `unproven` says what could not be checked, and how to make it possible."""

    from_seq: int = 1
    to_seq: int = 0
    events: int = 0
    operations: int = 0
    checkpoints: int = 0
    last_checkpoint: int = 0
    findings: list[Finding] = field(default_factory=list)
    findings_in_all: int = 0
    unproven: list[str] = field(default_factory=list)

    def add(self, code: str, where: str, why: str) -> None:
        self.findings_in_all += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(code, where, why))

    def doubt(self, sentence: str) -> None:
        """Something could not be checked; each sentence is kept once."""
        if sentence not in self.unproven and len(self.unproven) < MOST_FINDINGS:
            self.unproven.append(sentence)

    @property
    def verdict(self) -> str:
        """`tampered` when anything does not fit, `unproven` when something could not be checked, else `sound`."""
        if self.findings_in_all:
            return TAMPERED
        return UNPROVEN if self.unproven else SOUND

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.verdict]

    def as_dict(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict, "from_seq": self.from_seq, "to_seq": self.to_seq, "events": self.events,
            "operations": self.operations, "checkpoints": self.checkpoints, "last_checkpoint": self.last_checkpoint,
            "findings_in_all": self.findings_in_all, "findings": [finding.as_dict() for finding in self.findings],
            "unproven": self.unproven,
        }  # fmt: skip

    def as_text(self) -> str:
        """The same for people."""
        covered = f"checkpoint {self.last_checkpoint}" if self.checkpoints else "no checkpoint"
        compared = f"{self.operations} operations, " if self.operations else ""  # of a chain alone none are compared
        lines = [
            f"{VERDICTS[self.verdict]}: {self.events} events from link {self.from_seq} to {self.to_seq}, "
            f"{compared}{covered} the last."
        ]
        lines += [f"  {finding.code:<10} {finding.where}: {finding.why}" for finding in self.findings]
        if self.findings_in_all > len(self.findings):
            lines.append(f"  ... and {self.findings_in_all - len(self.findings)} more")
        return "\n".join([*lines, *(f"  unproven   {sentence}" for sentence in self.unproven)])


# -- keys and signatures ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PublicKey:
    """A key that checks signatures; `raw` is its 32 bytes. `until` is the last link that a retired key may sign."""

    raw: bytes
    until: int | None = None

    @property
    def key_id(self) -> str:
        return hashlib.sha256(self.raw).hexdigest()[:16]

    def line(self) -> str:
        """The key as one line of a `.pub` file: `ed25519 KEY_ID BASE64 [until=SEQ]`."""
        until = "" if self.until is None else f" until={self.until}"
        return f"ed25519 {self.key_id} {base64.b64encode(self.raw).decode()}{until}"

    def verify(self, data: bytes, signature: bytes) -> bool:
        """Whether `signature` (64 bytes) is this key's over exactly `data`."""
        if not HAS_CRYPTOGRAPHY:
            return ed25519_verify(self.raw, data, signature)
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, data)
        except (InvalidSignature, ValueError):
            return False
        return True


def parse_key(line: str) -> PublicKey:
    """Inverse of `PublicKey.line`. Raises ValueError for a line that is no key."""
    words = line.split()
    try:
        raw = base64.b64decode(words[2], validate=True)
        until = int(words[3][len("until=") :]) if words[3:] and words[3].startswith("until=") else None
    except (IndexError, binascii.Error) as error:
        raise ValueError("this line is no public key") from error
    key = PublicKey(raw, until)
    if words[:2] != ["ed25519", key.key_id] or len(raw) != 32:
        raise ValueError("this line is no public key")
    return key


_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)
_Point = tuple  # (X, Y, Z, T) with x = X/Z, y = Y/Z, x*y = T/Z
_ZERO = (0, 1, 1, 0)


def ed25519_verify(public: bytes, data: bytes, signature: bytes) -> bool:
    """RFC 8032, section 5.1.7, without a library. Refuses S >= L, points that are no canonical ones, and weak keys."""
    if len(public) != 32 or len(signature) != 64:
        return False
    point, scalar = _point_of(public), int.from_bytes(signature[32:], "little")
    if point is None or scalar >= _L or _is_zero(_double(_double(_double(point)))):
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + public + data).digest(), "little") % _L
    minus = (_P - point[0], point[1], point[2], _P - point[3])
    return _bytes_of(_sum_of_multiples(scalar, _base_point(), challenge, minus)) == signature[:32]


def _base_point() -> _Point:
    found = _point_of((4 * pow(5, _P - 2, _P) % _P).to_bytes(32, "little"))
    assert found is not None
    return found


def _point_of(data: bytes) -> _Point | None:
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= _P:
        return None
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) // 8, _P) % _P
    if v * x * x % _P == -u % _P:
        x = x * _ROOT % _P
    if v * x * x % _P != u or (x == 0 and sign):
        return None
    x = _P - x if x & 1 != sign else x
    return (x, y, 1, x * y % _P)


def _bytes_of(point: _Point) -> bytes:
    inverse = pow(point[2], _P - 2, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _add(p: _Point, q: _Point) -> _Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % _P, (p[1] + p[0]) * (q[1] + q[0]) % _P
    c, d = 2 * p[3] * q[3] * _D % _P, 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _double(p: _Point) -> _Point:
    return _add(p, p)


def _is_zero(p: _Point) -> bool:
    return p[0] % _P == 0 and (p[1] - p[2]) % _P == 0


def _sum_of_multiples(a: int, p: _Point, b: int, q: _Point) -> _Point:
    """a*p + b*q, both scalars read from the top at once."""
    both, total = _add(p, q), _ZERO
    for bit in range(max(a.bit_length(), b.bit_length()) - 1, -1, -1):
        total = _double(total)
        chosen = (a >> bit & 1, b >> bit & 1)
        if chosen != (0, 0):
            total = _add(total, both if chosen == (1, 1) else p if chosen[0] else q)
    return total


# -- checkpoints ------------------------------------------------------------------------------------------------------


class Signer(Protocol):
    """A private key; the console has them, this file never does."""

    @property
    def key_id(self) -> str: ...
    def sign(self, data: bytes) -> bytes: ...


@dataclass(frozen=True)
class Checkpoint:
    """A signed note: at `at`, the chain's link `seq` had this `hash` (32 bytes).

    opsconsole/INSTANCE
    SEQ
    BASE64 OF THE CHAIN'S HASH AT SEQ
    TIME (UTC)
    FINGERPRINT OF THE DATABASE GUARDS

    — KEY_ID BASE64 OF THE ED25519 SIGNATURE over the five lines above, line ends included

    While the key is rotated, two keys sign: the old one, then the new one.
    """

    origin: str
    seq: int
    hash: bytes
    at: str
    guards: str
    signatures: tuple[tuple[str, bytes], ...] = ()

    @property
    def key_id(self) -> str:
        """The key that signed last."""
        return self.signatures[-1][0] if self.signatures else ""

    @property
    def signed_part(self) -> bytes:
        told = (self.origin, str(self.seq), base64.b64encode(self.hash).decode(), self.at, self.guards)
        return ("\n".join(told) + "\n").encode()

    def signed(self, *keys: Signer) -> str:
        """The whole note."""
        made = ((key.key_id, base64.b64encode(key.sign(self.signed_part)).decode()) for key in keys)
        return f"{self.signed_part.decode()}\n" + "".join(f"— {key_id} {signature}\n" for key_id, signature in made)

    def is_signed_by(self, keys: Mapping[str, PublicKey]) -> bool:
        """Whether every signature is right. Raises KeyError when a key is not among `keys`."""
        return all(keys[key_id].verify(self.signed_part, signature) for key_id, signature in self.signatures)


def parse(note: str) -> Checkpoint:
    """Inverse of `Checkpoint.signed`. Raises ValueError for what is no note."""
    lines = note.rstrip("\n").split("\n")
    marks = [line.split(" ") for line in lines[6:]]
    if not 7 <= len(lines) <= 8 or lines[5] or any(len(mark) != 3 or mark[0] != "—" for mark in marks):
        raise ValueError("this is no signed note of seven lines")
    if len(lines[1]) > 20:
        raise ValueError("the note names no link of a chain")
    try:
        found = Checkpoint(
            origin=lines[0], seq=int(lines[1]), hash=base64.b64decode(lines[2], validate=True), at=lines[3],
            guards=lines[4],
            signatures=tuple((key_id, base64.b64decode(text, validate=True)) for _, key_id, text in marks),
        )  # fmt: skip
    except binascii.Error as error:
        raise ValueError("the note holds something that is no base64") from error
    if len(found.hash) != 32 or not 1 <= found.seq < 2**63 or not note.startswith(found.signed()):
        raise ValueError("the note names no link of a chain")
    return found


def split(lines: Iterable[str]) -> Iterator[str]:
    """The notes of a file, one at a time; an unfinished one at the end comes out as it is."""
    gathered: list[str] = []
    signed = False
    for line in lines:
        if signed and not line.startswith("— "):
            yield "".join(gathered)
            gathered, signed = [], False
        if (gathered or line.strip()) and len(gathered) < 20:  # longer ones are no notes anyway
            gathered.append(line)
        signed = signed or (line.startswith("— ") and line.endswith("\n"))
    if gathered:
        yield "".join(gathered)


class KeyRing:
    """Which key may sign which links: the keys that the reader trusts, and those that a rotation adds on the way.

    A new key is trusted from the first checkpoint on that a trusted key and the new key have both signed, once the
    chain has told of it. The old key signs nothing after that checkpoint: whoever stole it is found.
    """

    def __init__(self, trusted: Iterable[PublicKey]) -> None:
        self.trusted = {key.key_id: key for key in trusted}
        self._told: dict[str, PublicKey] = {}
        self._from: dict[str, int] = {}
        self._until = {key.key_id: key.until for key in self.trusted.values() if key.until is not None}
        self._followed = frozenset(self._until)  # the reader knows their successors, so nothing else may name one

    def hear(self, told: Mapping[str, Any]) -> None:
        """An event of the chain says that the key is rotated."""
        try:
            key = PublicKey(bytes.fromhex(told["data"]["new_public"]))
        except (KeyError, TypeError, ValueError):
            return
        if len(key.raw) == 32:
            self._told[key.key_id] = key

    def judge(self, note: Checkpoint) -> tuple[str, str]:
        """(`forged`, why), (`unknown`, the key's id), or (`genuine`, "")."""
        known = {**self._told, **self.trusted}
        for key_id, signature in note.signatures:
            if key_id in known and not known[key_id].verify(note.signed_part, signature):
                return "forged", "Its signature is wrong."
        signers = [key_id for key_id, _ in note.signatures if key_id in self.trusted]
        if not signers:
            return "unknown", note.key_id
        if all(self._until.get(key_id, note.seq) < note.seq for key_id in signers):
            return "forged", f"The key {signers[0]} was retired at link {self._until[signers[0]]}, before it."
        if all(self._from.get(key_id, note.seq) > note.seq for key_id in signers):
            return "forged", f"The key {signers[0]} came into use at link {self._from[signers[0]]}, after it."
        return "genuine", ""

    def learn(self, note: Checkpoint) -> None:
        """A genuine note through which the chain passes: when two keys signed it, the second follows the first."""
        if len(note.signatures) != 2:
            return
        (old, _), (new, _) = note.signatures
        known = self.trusted if old in self._followed else {**self._told, **self.trusted}
        if old in self.trusted and new in known and self._until.get(old, note.seq) >= note.seq:
            self.trusted[new] = known[new]
            self._from.setdefault(new, note.seq)
            self._until[old] = note.seq


Filed = Optional[tuple[Optional[int], str, Optional[datetime]]]  # where a table files a note: seq, key id, time
SLACK = timedelta(seconds=5)  # by how much clocks may disagree
NEVER = 2**64
ABSENT, WRONG, GENUINE = 0, 1, 2  # what a source has of one link


class Anchors:
    """The checkpoints of one source, met one at a time in the order of their links as the walk comes by.

    `notes` are texts, with what the row that holds one says of it. `look_up` gives the stored hash of a link that the
    walk has left behind, where there is a table to ask.
    """

    def __init__(
        self, name: str, notes: Iterable[tuple[Filed, str]], ring: KeyRing, report: Report,
        look_up: Callable[[int], bytes] | None = None, *, also: str = "",
    ) -> None:  # fmt: skip
        self.name, self._also = name, also
        self.missing = False
        self.count = 0
        self.last = 0  # the newest link that a note names
        self.proven = 0  # the newest link that a genuine note names and the chain passes through
        self._notes = iter(notes)
        self._ring, self._report, self._look_up = ring, report, look_up
        self._filed: Filed = None
        self._note = self._read()

    @property
    def next(self) -> int:
        """The link that the next note names."""
        return NEVER if self._note is None else self._note.seq

    def meet(self, seq: int, link: bytes, latest: datetime) -> int:
        """The walk has come to link `seq`, computed to be `link`; no event up to it is younger than `latest`.

        Gives back GENUINE when this source has a genuine note of that link, WRONG when it has another one, else ABSENT.
        """
        met = ABSENT
        while self._note is not None and self._note.seq <= seq:
            note = self._note
            if note.seq < seq:
                self._pass_late(note)
            elif self._is_genuine(note) and self._compare(note, link):
                met = GENUINE
                self._check_time(note, latest)
            else:
                met = max(met, WRONG)
            self._note = self._read()
        return met

    def finish(self, head: int) -> None:
        """The walk is over: what is left lies beyond the head, or the chain is empty."""
        while self._note is not None:
            if self._note.seq <= head:
                self._pass_late(self._note)
            elif self._is_genuine(self._note):
                self._tell(
                    "cut",
                    self._note,
                    f"The chain ends at {head}: its tail was cut off, or an old copy of the database is in use"
                    f"{self._also}.",
                )
            self._note = self._read()

    def _read(self) -> Checkpoint | None:
        """The next text that is a note; others are findings."""
        for filed, text in self._notes:
            self.count += 1
            try:
                note = parse(text)
            except ValueError as error:
                self._report.add("forged", f"checkpoint in {self.name}", f"It cannot be read: {error}.")
                continue
            self.last = max(self.last, note.seq)
            self._filed = filed
            return note
        return None

    def _is_genuine(self, note: Checkpoint) -> bool:
        verdict, why = self._ring.judge(note)
        if verdict == "unknown":
            self._report.doubt(
                f"The key {why}, which signed checkpoints in {self.name}, is missing from the public keys."
            )
        elif verdict == "forged":
            self._tell("forged", note, why)
        if self._filed is not None:
            self._compare_filed(note, self._filed)
        return verdict == "genuine"

    def _compare_filed(self, note: Checkpoint, filed: tuple[int | None, str, datetime | None]) -> None:
        seq, key_id, at = filed
        if seq != note.seq:
            self._tell("forged", note, f"It is filed under link {seq}.")
        elif key_id != note.key_id or at != _time_or_none(note.at):
            self._tell("forged", note, "It is filed under another key or time than it names.")

    def _compare(self, note: Checkpoint, link: bytes) -> bool:
        if note.hash != link:
            self._tell("fork", note, "The chain does not pass through it: history before it was rewritten.")
            return False
        self._ring.learn(note)
        self.proven = max(self.proven, note.seq)
        return True

    def _check_time(self, note: Checkpoint, latest: datetime) -> None:
        signed_at = _time_or_none(note.at)
        if signed_at is None or latest > signed_at + SLACK:
            self._tell("time", note, "An event that it covers is younger than it.")

    def _pass_late(self, note: Checkpoint) -> None:
        """A checkpoint before the part that is walked, or out of order."""
        if self._look_up is None:
            self._tell("order", note, "It does not stand in the order of the chain.")
        elif self._is_genuine(note):
            self._compare(note, self._look_up(note.seq))

    def _tell(self, code: str, note: Checkpoint, why: str) -> None:
        self._report.add(code, f"checkpoint {note.seq} in {self.name}", why)


def _time_or_none(text: str) -> datetime | None:
    try:
        return moment_of(text)
    except ValueError:
        return None


# -- the walk along the chain -----------------------------------------------------------------------------------------

BEGINNING = datetime.fromtimestamp(0, timezone.utc)
ROTATED = "audit.key_rotated"


class Clock:
    """Time runs forward in the order in which events were written (their numbers).

    That is not quite the order of the chain: what a slow transaction wrote early is sealed late, when it commits.
    """

    def __init__(self, report: Report) -> None:
        self.latest = BEGINNING  # of all events seen
        self.newest = 0
        self.ascending = True  # each number was larger than those before it, so no event was met twice
        self._report = report

    def see(self, number: int | None, at: datetime, where: str) -> None:
        self.ascending = self.ascending and number is not None and number > self.newest
        if number is not None and number >= self.newest:
            if at < self.latest - SLACK:
                why = f"Event {number} is {self.latest - at} older than one that was written before it."
                self._report.add("time", where, why)
            self.newest = number
        if at > self.latest:
            self.latest = at


@dataclass(frozen=True)
class Reached:
    """Where a walk stands: after link `seq` with its `hash`, the newest event's number and the latest time seen."""

    seq: int
    hash: bytes
    newest: int
    latest: datetime


class Walk:
    """Follows the chain link by link, past the checkpoints of `outside` and `inside` (files and tables).

    `part`: a filtered export, in which links are missing on purpose; then each link proves its own event only.
    """

    def __init__(
        self, report: Report, ring: KeyRing, *, outside: Anchors | None = None, inside: Anchors | None = None,
        previous: bytes = START, part: bool = False, approvals: Approvals | None = None,
    ) -> None:  # fmt: skip
        self._report, self._ring, self._part, self._approvals = report, ring, part, approvals
        self._outside, self._inside = outside, inside
        self._sources = [source for source in (outside, inside) if source is not None]
        self._clock = Clock(report)
        self._expected, self._previous = report.from_seq, previous
        self._soonest = min((source.next for source in self._sources), default=NEVER)
        self._only_outside: list[int] = []  # links that only one source has a checkpoint of: how many, the first, last
        self._only_inside: list[int] = []

    @property
    def reached(self) -> Reached:
        return Reached(self._expected - 1, self._previous, self._clock.newest, self._clock.latest)

    @property
    def met_each_event_once(self) -> bool:
        """Whether that is certain from the events' numbers alone: each was larger than those before it."""
        return self._clock.ascending

    @property
    def next_checkpoint(self) -> int:
        """The first link after `reached` that a checkpoint names."""
        return self._soonest

    def pass_to(self, reached: Reached) -> None:
        """Go on from `reached`: of every link up to it is known that `see` would have found nothing and met nobody."""
        self._report.events += reached.seq + 1 - self._expected
        self._expected, self._previous = reached.seq + 1, reached.hash
        self._clock.newest, self._clock.latest = reached.newest, reached.latest

    def see(
        self, seq: int, number: int | None, previous: bytes, stored: bytes, payload: bytes
    ) -> tuple[Any, dict[str, Any]] | None:
        """The next link and its event; gives back what the payload says and its index columns, None for no event."""
        where = f"seq {seq}"
        if seq != self._expected:
            self._tell_gap(seq, previous)
        if number is not None and number < 1:
            self._report.add("order", where, f"Its event has the number {number}, and they begin at 1.")
        following = link(self._previous, seq, leaf_of(payload))
        if previous != self._previous:
            self._report.add("order", where, "It does not follow the link before it.")
        if stored != following:
            self._report.add("payload", where, f"The stored bytes of event {number} are not those that were sealed.")
        read = self._read(payload, number, seq)
        if seq >= self._soonest:
            self._meet(seq, following)
        self._expected, self._previous = seq + 1, stored
        self._report.events += 1
        return read

    def finish(self, last: int) -> None:
        """The walk is over; the chain is said to end at `last`."""
        if self._expected <= last:
            why = f"Links {self._expected} to {last} are missing, or their events are."
            self._report.add("gap", f"seq {self._expected}", why)
        for source in self._sources:
            if not self._part:
                source.finish(last)
            self._report.checkpoints += source.count
            self._report.last_checkpoint = max(self._report.last_checkpoint, source.last)
        self._compare_sources()
        if self._approvals is not None:
            self._approvals.finish()

    def _tell_gap(self, seq: int, previous: bytes) -> None:
        if seq < self._expected:
            self._report.add("order", f"seq {seq}", f"It comes after link {self._expected - 1}.")
        elif not self._part:
            why = f"Links {self._expected} to {seq - 1} are missing, or their events are."
            self._report.add("gap", f"seq {self._expected}", why)
        self._previous = previous

    def _read(self, payload: bytes, number: int | None, seq: int) -> tuple[Any, dict[str, Any]] | None:
        where = f"seq {seq}"
        try:
            told = json.loads(payload)
            index = columns(told)
            canonical = is_canonical(payload, told)
            self._clock.see(number, index["at"], where)
        except (ValueError, KeyError, TypeError, RecursionError):
            self._report.add("payload", where, f"Event {number} holds no event in its payload.")
            return None
        if not canonical:
            self._report.add("payload", where, f"The payload of event {number} is not in its canonical form.")
        if told["type"] == ROTATED:
            self._ring.hear(told)
        if self._approvals is not None:
            self._approvals.see(seq, told)
        return told, index

    def _meet(self, seq: int, following: bytes) -> None:
        met = [source.meet(seq, following, self._clock.latest) for source in self._sources]
        if sorted(met) == [ABSENT, GENUINE]:
            alone = self._only_outside if met[0] else self._only_inside
            alone[:] = [alone[0] + 1, alone[1], seq] if alone else [1, seq, seq]
        self._soonest = min(source.next for source in self._sources)

    def _compare_sources(self) -> None:
        """What one source has and the other lacks. A console that was killed leaves at most its last note in one."""
        outside, inside = self._outside, self._inside
        if outside is None or inside is None or outside.missing:
            return
        if self._only_inside:
            count, first, _ = self._only_inside
            self._report.doubt(
                f"{outside.name} lacks {count} checkpoints that {inside.name} holds, the first at link {first}: "
                "it was cut, or it is older."
            )
        if self._only_outside:
            count, first, last = self._only_outside
            what = f"{outside.name} holds {count} checkpoints that {inside.name} lacks, the first at link {first}"
            if count == 1 and last > inside.proven:
                self._report.doubt(f"{what}: the console was killed while it wrote it, or the row was removed.")
            else:
                self._report.add("removed", f"checkpoint {first} in {inside.name}", f"{what}.")


# -- approvals, counted again from the events alone -------------------------------------------------------------------

ENDED = frozenset({"succeeded", "failed", "cancelled", "rejected", "expired", "stale"})
CHANGE = "change"  # the kind of operations that change the console itself
CONFIRMING = frozenset({"approvers", "administrators"})
GUARDED = {  # events of what only a confirmed change does, and by which of its actions
    "person.added": {"person.add"},
    "person.changed": {"person.email"},
    "account.password_reset": {"account.reset_password"},
    "account.activated": {"account.activate"},
    "account.deactivated": {"account.deactivate"},
    "membership.added": {"membership.add", "person.add"},
    "membership.removed": {"membership.remove"},
    "policy.changed": {"policy.set", "policy.disable"},
    "schedule.changed": {"schedule.set", "schedule.off"},
    "environment.added": {"environment.add"},
    "environment.changed": {"environment.edit"},
    "database.added": {"database.add"},
    "database.changed": {"database.edit"},
    "database.removed": {"database.remove"},
    "keys.reencrypted": {"secrets.reencrypt"},
    "retention.changed": {"retention.set", "retention.remove"},
    "retention.resumed": {"retention.resume"},
    "hold.set": {"hold.set"},
    "hold.lifted": {"hold.lift"},
    "recipient.added": {"recipient.add"},
    "recipient.retired": {"recipient.retire"},
    "key.trusted": {"key.trust"},
    "store.added": {"store.add"},
    "store.changed": {"store.edit"},
    "store.retired": {"store.retire"},
    "backup.adopted": {"store.rebuild"},
    "rule.set": {"integrity.rules"},
    "rule.removed": {"integrity.rules"},
}
Seat = tuple[tuple[str, ...], tuple[str, ...]]  # roles, owner groups (none: of any)


@dataclass(frozen=True)
class Needs:
    """What must be agreed: so many distinct people, `seats` among them, in time, in one of each group of windows."""

    votes: int = 0
    seats: Mapping[Seat, int] = field(default_factory=dict)
    minutes: int = 7 * 24 * 60
    windows: tuple[str, ...] = ()  # each group as canonical JSON

    @classmethod
    def told(cls, raw: Mapping[str, Any]) -> Needs:
        """From an event's `requirement`."""
        if not raw["gated"]:
            return cls()
        seats: dict[Seat, int] = {}
        for clause in raw["clauses"]:
            seat = (tuple(sorted(clause["roles"])), tuple(sorted(clause["owner_groups"])))
            seats[seat] = max(seats.get(seat, 0), int(clause["count"]))
        windows = tuple(canonical_json(group).decode() for group in raw["windows"])
        return cls(int(raw["votes_needed"]), seats, int(raw["valid_minutes"]), windows)

    def and_(self, other: Needs) -> Needs:
        """Everything that either asks for."""
        if not (self.votes and other.votes):
            return self if self.votes else other
        seats = {seat: max(self.seats.get(seat, 0), other.seats.get(seat, 0)) for seat in {**self.seats, **other.seats}}
        votes = max(self.votes, other.votes, sum(seats.values()))
        windows = tuple(dict.fromkeys(self.windows + other.windows))
        return Needs(votes, seats, min(self.minutes, other.minutes), windows)

    def covers(self, other: Needs) -> bool:
        """Whether it asks for everything that `other` asks for."""
        if not other.votes:
            return True
        enough = self.votes >= other.votes and self.minutes <= other.minutes
        return (
            enough
            and all(self.seats.get(seat, 0) >= count for seat, count in other.seats.items())
            and set(other.windows) <= set(self.windows)
        )

    @property
    def chairs(self) -> list[Seat]:
        """One a person; those beyond the seats are for anyone who fits one of them."""
        chairs = [seat for seat, count in self.seats.items() for _ in range(count)]
        roles = tuple(dict.fromkeys(role for seat in self.seats for role in seat[0]))
        groups = tuple(dict.fromkeys(group for seat in self.seats for group in seat[1]))
        anyone = (roles, groups if all(seat[1] for seat in self.seats) else ())
        return chairs + [anyone] * (self.votes - len(chairs))

    @property
    def words(self) -> str:
        seats = ", ".join(f"{count} of {_words(seat)}" for seat, count in self.seats.items())
        return f"{self.votes} other people ({seats}) within {self.minutes} min" if self.votes else "nobody else"


def _words(seat: Seat) -> str:
    return " or ".join(seat[0]) + (f" of {' or '.join(seat[1])}" if seat[1] else "")


@dataclass(frozen=True)
class Place:
    """Where a database stands, as policies look at it."""

    environment: str
    protected: bool
    owner_group: str
    tags: frozenset[str]

    @classmethod
    def told(cls, raw: Mapping[str, Any]) -> Place:
        return cls(raw["environment"], bool(raw["protected"]), raw["owner_group"], frozenset(raw["tags"]))


@dataclass(frozen=True)
class Rule:
    """One version of one policy."""

    name: str
    version: int
    begins: datetime
    data: Mapping[str, Any]

    def meets(self, kind: str, gated: bool, place: Place | None) -> bool:
        match = self.data["match"]
        kinds, environments, tags = (match.get(key) or () for key in ("kinds", "environments", "tags"))
        if kind not in kinds and (kinds or not gated):
            return False
        if place is None:
            return not environments and not tags
        return (not environments or place.environment in environments) and (not tags or bool(place.tags & set(tags)))

    def needs(self, owner_group: str) -> Needs:
        groups: tuple[str, ...] = (owner_group,) if owner_group else ()
        clauses = self.data["clauses"] or [{"role": "approvers"}]
        seats: dict[Seat, int] = {
            ((str(clause["role"]),), groups): max(1, int(clause.get("count", 1))) for clause in clauses
        }
        windows = [
            {"days": list(row.get("days") or range(7)), "from": row["from"], "to": row["to"]}
            for row in self.data["windows"]
        ]
        return Needs(
            max(int(self.data["min_people"]), sum(seats.values())), seats, int(self.data["valid_minutes"]),
            (canonical_json(windows).decode(),) if windows else (),
        )  # fmt: skip


@dataclass(frozen=True)
class Ballot:
    """One vote. `digest` names the plan that it was cast on."""

    seq: int
    at: datetime
    person: int
    account: int | None
    decision: str
    digest: str


@dataclass
class Asked:
    """An operation that has not ended: what was asked, by whom, and who has voted on it."""

    number: int
    kind: str
    at: datetime
    data: Mapping[str, Any]
    ballots: list[Ballot] = field(default_factory=list)
    confirmed: bool = False  # by whoever asked, where nobody else is
    armed: int = 0

    @property
    def can_be_replayed(self) -> bool:
        return "requirement" in self.data and "askers" in self.data


LONGEST_STANDING = 366  # days; no console lets an approval stand for longer


@dataclass
class Standing:
    """A version of a schedule, and the change that set it; `template` is what its runs were approved for, or empty."""

    asked: Asked | None
    at: datetime
    template: Mapping[str, Any]
    enabled: bool
    rules: frozenset[tuple[str, int]]  # the policies that were in force: name and version
    used: dict[tuple[int, str], int] = field(default_factory=dict)  # by database and time, the run that it carried

    @property
    def digest(self) -> str:
        return "sha256:" + hashlib.sha256(canonical_json(self.template)).hexdigest()

    @property
    def ends(self) -> datetime:
        return self.at + timedelta(days=min(int(self.template["days"]), LONGEST_STANDING))


class Approvals:
    """Replays people, roles, policies and votes in the order of the chain, and counts every armed operation again.

    What it knows comes from events alone, so it needs the chain from its first link. It holds the people, policies and
    databases of a console, and the operations that have not ended.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._closed: datetime | None = None  # when the setting up ended
        self._services: dict[int, int | None] = {}  # owner by service
        self._owners: dict[int, int] = {}  # person by account
        self._off: dict[int, datetime] = {}  # since when an account is switched off
        self._reset: dict[int, datetime] = {}  # when somebody else last set an account's password
        self._roles: dict[tuple[int, str, str], list[list[datetime | None]]] = {}  # from, until
        self._rules: list[Rule] = []
        self._kinds: dict[str, bool] = {}  # whether the default policy meets it
        self.environments: dict[str, bool] = {}  # whether it is protected
        self.stores_of: dict[str, list[str]] = {}  # of an environment, where it is not the usual one
        self.databases: dict[int, dict[str, Any]] = {}
        self.people: dict[int, dict[str, Any]] = {}
        self.logins: dict[int, str] = {}
        self.seals: dict[int, list[tuple[str, str]]] = {}  # of each account: fingerprint and how, as they came
        self._open: dict[int, Asked] = {}
        self._schedules: dict[str, Standing] = {}  # the newest version of each
        self._given: dict[int, Standing] = {}  # by the change that set it
        self._old: list[int] = []  # operations of an older console: how many, the first
        self.armed = 0

    def see(self, seq: int, told: Mapping[str, Any]) -> None:
        """The next event of the chain."""
        try:
            self._see(seq, told["type"], moment_of(told["at"]), told["subject"], told["data"], told)
        except (KeyError, TypeError, ValueError, AttributeError):
            self._report.doubt(f"The event at seq {seq} does not tell what is needed to replay it.")

    def finish(self) -> None:
        if self._old:
            count, first = self._old
            self._report.doubt(
                f"{count} armed operations, the first operation {first}, were asked for by an older console, whose "
                "events do not tell enough to count their votes again."
            )

    def roles_now(self) -> dict[tuple[int, str, str], datetime | None]:
        """From when on each (person, role, owner group) that is held at the end counts."""
        return {key: spans[-1][0] for key, spans in self._roles.items() if spans[-1][1] is None}

    def login(self, account: int) -> tuple[int, str, bool] | None:
        """Whose login it is at the end, its name, and whether it is on; None when no event tells of it."""
        if account not in self._owners:
            return None
        return self._owners[account], self.logins[account], account not in self._off

    @property
    def is_set_up(self) -> bool:
        """Whether the setting up had ended at the end."""
        return self._closed is not None

    def _see(
        self, seq: int, type: str, at: datetime, subject: Mapping[str, Any], data: Mapping[str, Any],
        told: Mapping[str, Any],
    ) -> None:  # fmt: skip
        number = subject["operation"]
        if type.startswith("op."):
            self._see_operation(seq, type, at, number, data, told)
            return
        if type in GUARDED:
            self._check_guarded(seq, type, at, number, subject, data)
        follow = getattr(self, "_on_" + type.replace(".", "_"), None)
        if follow is not None:
            follow(at, data, subject)

    # -- what the console is: people, roles, policies, databases

    def _on_bootstrap_closed(self, at: datetime, data: Mapping[str, Any], subject: Mapping[str, Any]) -> None:
        self._closed = self._closed or at

    def _on_console_started(self, at: datetime, data: Mapping[str, Any], subject: Mapping[str, Any]) -> None:
        self._kinds.update(data.get("kinds", {}))

    def _on_person_added(self, at: datetime, data: Mapping[str, Any], subject: Mapping[str, Any]) -> None:
        self._owners[data["account"]] = data["person"]
        self.logins[data["account"]] = data["login"]
        self.people[data["person"]] = {name: data[name] for name in ("email", "owner") if name in data}
        if data.get("service"):
            self._services[data["person"]] = data.get("owner")

    def _on_person_changed(self, at: datetime, data: Mapping[str, Any], subject: Mapping[str, Any]) -> None:
        if data["fields"] == ["email"]:
            self.people[data["person"]]["email"] = data["new"]

    def _on_auth_sealed(self, at: datetime, data: Mapping[str, Any], subject: Mapping[str, Any]) -> None:
        self.seals.setdefault(data["account"], []).append((data["fingerprint"], data["how"]))

    def _on_keys_reencrypted(self, at: datetime, data: Mapping[str, Any], subject: Mapping[str, Any]) -> None:
        for number, address in data["addresses"].items():
            self.databases.setdefault(int(number), {})["address"] = address

    def _on_account_deactivated(self, at: datetime, data: Mapping[str, Any], subject: Mapping[str, Any]) -> None:
        self._off[data["account"]] = at

    def _on_account_activated(self, at: datetime, data: Mapping[str, Any], subject: Mapping[str, Any]) -> None:
        self._off.pop(data["account"], None)

    def _on_account_password_reset(self, at: datetime, data: Mapping[str, Any], subject: Mapping[str, Any]) -> None:
        self._reset[data["account"]] = at

    def _on_membership_added(self, at: datetime, data: Mapping[str, Any], subject: Mapping[str, Any]) -> None:
        counts = datetime.fromisoformat(data["counts_from"])
        spans = self._roles.setdefault((data["person"], data["role"], data["owner_group"]), [])
        spans.append([counts, None])

    def _on_membership_removed(self, at: datetime, data: Mapping[str, Any], subject: Mapping[str, Any]) -> None:
        self._roles[data["person"], data["role"], data["owner_group"]][-1][1] = at

    def _on_policy_shipped(self, at: datetime, data: Mapping[str, Any], subject: Mapping[str, Any]) -> None:
        self._rules.append(Rule(data["name"], data["version"], BEGINNING, data))

    def _on_policy_changed(self, at: datetime, data: Mapping[str, Any], subject: Mapping[str, Any]) -> None:
        self._rules.append(Rule(data["name"], data["version"], datetime.fromisoformat(data["effective_at"]), data))

    def _on_schedule_shipped(self, at: datetime, data: Mapping[str, Any], subject: Mapping[str, Any]) -> None:
        number = subject["operation"]
        asked = self._open.get(number)
        rules = self._names_in_force(asked.at if asked else at)  # those that were in force when it was written down
        version = Standing(asked, at, data.get("template") or {}, bool(data["enabled"]), rules)
        self._schedules[data["name"]] = version
        if number is not None:
            self._given[number] = version

    _on_schedule_changed = _on_schedule_shipped

    def _on_environment_shipped(self, at: datetime, data: Mapping[str, Any], subject: Mapping[str, Any]) -> None:
        self.environments[subject["object"]] = bool(data["protected"])
        self.stores_of[subject["object"]] = list(data.get("stores", ()))

    _on_environment_added = _on_environment_shipped

    def _on_environment_changed(self, at: datetime, data: Mapping[str, Any], subject: Mapping[str, Any]) -> None:
        if "protected" in data["new"]:
            self.environments[subject["object"]] = bool(data["new"]["protected"])
        if "stores" in data["new"]:
            self.stores_of[subject["object"]] = list(data["new"]["stores"])

    def _on_database_added(self, at: datetime, data: Mapping[str, Any], subject: Mapping[str, Any]) -> None:
        self.databases[subject["database"]] = {
            "guarded_tables": [], "masked_columns": [], "target_hours": 0, "name": subject["name"], **data,
        }  # fmt: skip

    def _on_database_changed(self, at: datetime, data: Mapping[str, Any], subject: Mapping[str, Any]) -> None:
        address = {"address": data["address"]} if "address" in data else {}
        self.databases.setdefault(subject["database"], {}).update({**data["new"], **address})

    def _on_database_removed(self, at: datetime, data: Mapping[str, Any], subject: Mapping[str, Any]) -> None:
        self.databases.pop(subject["database"], None)

    def _is_set_up(self, at: datetime) -> bool:
        """Whether the setting up was over; what happened as it ended may have been done before."""
        return self._closed is not None and at > self._closed + SLACK

    def _check_guarded(
        self, seq: int, type: str, at: datetime, number: int | None, subject: Mapping[str, Any], data: Mapping[str, Any]
    ) -> None:
        """What only a confirmed change does was done by one."""
        if not self._is_set_up(at) or (type.startswith("membership.") and data["role"] not in CONFIRMING):
            return
        asked = self._open.get(number) if number is not None else None
        if asked is None or asked.kind != CHANGE or not asked.armed:
            self._report.add("approval", f"seq {seq}", f"{type}: no armed change stands behind it.")
        elif asked.can_be_replayed and asked.data["action"] not in GUARDED[type]:
            why = f"{type}: operation {number}, in which it was done, is a change {asked.data['action']}."
            self._report.add("approval", f"seq {seq}", why)
        elif asked.can_be_replayed and not self._touched(type, subject, data) <= set(asked.data["touches"]):
            why = f"{type}: operation {number} did not ask those who guard the databases that it touches."
            self._report.add("approval", f"seq {seq}", why)

    def _touched(self, type: str, subject: Mapping[str, Any], data: Mapping[str, Any]) -> set[int]:
        """The databases whose protection it moves."""
        if type in ("database.changed", "database.removed"):
            return {subject["database"]}
        if type == "environment.changed" and data["old"].get("protected") is True:
            name = subject["object"]
            return {number for number, held in self.databases.items() if held.get("environment") == name}
        return set()

    # -- operations

    def _see_operation(
        self, seq: int, type: str, at: datetime, number: int, data: Mapping[str, Any], told: Mapping[str, Any]
    ) -> None:
        if type == "op.planned":
            self._open[number] = Asked(number, told["subject"]["kind"], at, data)
            for target in data.get("targets", ()):  # what a target last said of itself
                self.databases.setdefault(target["database"], {})["identity"] = target["identity"]
            return
        asked = self._open.get(number)
        if type == "op.armed":
            self.armed += 1
            self._check_armed(seq, at, number, asked, data)
        elif asked is None and type == "op.voted" and self._is_taken_back(number, data):
            self._hear(self._given[number].asked, seq, at, data, told)
        elif asked is None:
            if type != "op.recovery_delayed":
                why = f"{type}: the history does not know this operation, or it had ended."
                self._report.add("approval", f"operation {number}, seq {seq}", why)
        elif type == "op.voted":
            self._hear(asked, seq, at, data, told)
        elif type == "op.self_confirmed":
            asked.confirmed = told["actor"]["person"] in asked.data.get("askers", (told["actor"]["person"],))
        if asked is not None and data.get("to") in ENDED:
            if data["to"] == "succeeded" and asked.data.get("mutates") and not asked.armed:
                why = "It succeeded, and was never armed."
                self._report.add("approval", f"operation {number}, seq {seq}", why)
            del self._open[number]

    def _is_taken_back(self, number: int, data: Mapping[str, Any]) -> bool:
        """A vote on what has ended: an approval that stands for a schedule's runs can still be taken back."""
        return number in self._given and bool(self._given[number].template) and data["decision"] == "withdraw"

    @staticmethod
    def _hear(asked: Asked | None, seq: int, at: datetime, data: Mapping[str, Any], told: Mapping[str, Any]) -> None:
        person, account = data["person"], data.get("account", told["actor"]["account"])
        if asked is not None:
            asked.ballots.append(Ballot(seq, at, person, account, data["decision"], data["digest"]))

    def _check_armed(self, seq: int, at: datetime, number: int, asked: Asked | None, data: Mapping[str, Any]) -> None:
        wrong: list[str] = []
        if asked is None:
            wrong.append("the history does not know this operation, or it had ended")
        elif not asked.can_be_replayed:
            self._old = [self._old[0] + 1, self._old[1]] if self._old else [1, number]
            asked.armed += 1
            return
        else:
            asked.armed += 1
            if data["digest"] != asked.data["digest"]:
                wrong.append("it was armed on another plan than the one that was asked for")
            if asked.armed > 1 and not asked.data.get("repeatable"):
                wrong.append("one approval armed it twice")
            wrong += self._what_is_wrong(asked, at, data)
        if wrong:
            self._report.add("approval", f"operation {number}, armed at seq {seq}", f"{'; '.join(wrong)}.")

    def _what_is_wrong(self, asked: Asked, at: datetime, data: Mapping[str, Any]) -> list[str]:
        counted = Needs.told(asked.data["requirement"])
        if "requirement" in data:
            counted = counted.and_(Needs.told(data["requirement"]))
        wrong = []
        if asked.kind == CHANGE:
            if not counted.votes and asked.data["free_at_first"] and not self._is_set_up(at):
                return []
            least = 2 if not asked.data["askers"] else 1
            if counted.votes < least or not all(set(roles) <= CONFIRMING for roles, _ in counted.seats):
                wrong.append(f"a change needs {least} other people who confirm changes; {counted.words} were asked")
            demanded = [self._demand_on_change(asked, moment) for moment in (at, at - SLACK)]
        else:
            demanded = [self._demand(asked, data, moment) for moment in (at, at - SLACK)]
        voted = asked
        if asked.data.get("standing") is not None:
            wrong += self._what_ended(asked, at)
            voted = self._given_by(asked)
            if not voted.data["askers"]:  # whoever asked for the schedule unseen may be one of those who agreed
                demanded = [replace(each, votes=each.votes + 1) if each.votes else each for each in demanded]
        if not any(counted.covers(each) for each in demanded):
            wrong.append(f"policies asked for {demanded[0].words}, and it was counted against {counted.words}")
            counted = counted.and_(demanded[0])
        if not counted.votes:
            unconfirmed = asked.data.get("mutates") and not asked.confirmed and asked.kind != CHANGE
            return [*wrong, "nobody confirmed it"] if unconfirmed else wrong
        return wrong + self._what_votes_lack(asked, at, counted, voted)

    def _demand(self, asked: Asked, data: Mapping[str, Any], at: datetime) -> Needs:
        """What the policies in force ask of the kind, wherever its targets stand, under all of their names."""
        places = {Place.told(raw) for raw in (*asked.data["places"], *data.get("places", ()))}
        for target in asked.data["targets"]:
            places |= self._places_of(target["database"], target["identity"])
        total = Needs()
        for place in places:
            total = total.and_(self._rules_on(asked.kind, bool(asked.data["kind_gated"]), place, at))
        if like := asked.data.get("kind_like"):  # a kind that is like another one needs the people of both
            for place in places:
                both = self._rules_on(like, self._kinds.get(like, True), place, at)
                total = total.and_(Needs(both.votes, both.seats, both.minutes))
        return total

    def _demand_on_change(self, asked: Asked, at: datetime) -> Needs:
        """What guards the databases that a change touches, whatever the kind, and changes as such."""
        total = Needs()
        for rule in self._in_force(at):
            if rule.name != "default" and rule.meets(CHANGE, False, None):
                total = total.and_(rule.needs(""))
        for number in asked.data["touches"]:
            for place in self._places_of(number, self.databases.get(number, {}).get("identity", "")):
                for kind, gated in [*self._kinds.items(), (CHANGE, False)]:
                    total = total.and_(self._rules_on(kind, gated, place, at))
        return Needs(total.votes, total.seats, total.minutes)  # windows do not hold back a change

    def _places_of(self, number: int, identity: str) -> set[Place]:
        held = [self.databases[number]] if number in self.databases else []
        held += [other for other in self.databases.values() if identity and other.get("identity") == identity]
        return {
            Place(
                each["environment"], self.environments.get(each["environment"], False), each["owner_group"],
                frozenset(each["tags"]),
            )
            for each in held
            if "environment" in each
        }  # fmt: skip

    def _in_force(self, at: datetime) -> list[Rule]:
        newest: dict[str, Rule] = {}
        for rule in sorted(self._rules, key=lambda rule: rule.version):
            if rule.begins <= at:
                newest[rule.name] = rule
        return [rule for rule in newest.values() if rule.data["enabled"]]

    def _rules_on(self, kind: str, gated: bool, place: Place, at: datetime) -> Needs:
        rules = self._in_force(at)
        meeting = [rule for rule in rules if rule.name != "default" and rule.meets(kind, gated, place)]
        if not meeting and place.protected and gated:
            meeting = [rule for rule in rules if rule.name == "default"]
        total = Needs()
        for rule in meeting:
            total = total.and_(rule.needs(place.owner_group))
        return total

    # -- approvals that stand for every run of a schedule

    def _given_by(self, asked: Asked) -> Asked:
        """Whose ballots count for it: its own, or those on the change of the schedule that it is a run of."""
        given = self._given.get(asked.data["standing"])
        return given.asked if given is not None and given.asked is not None else asked

    def _names_in_force(self, at: datetime) -> frozenset[tuple[str, int]]:
        return frozenset((rule.name, rule.version) for rule in self._in_force(at))

    def _what_ended(self, asked: Asked, at: datetime) -> list[str]:
        """Why the standing approval that it was armed on did not hold, or did not hold for it; empty when it did."""
        given = self._given.get(asked.data["standing"])
        if given is None or given.asked is None or not given.template:
            return [f"no schedule was approved once by operation {asked.data['standing']}"]
        name, wrong = given.template["schedule"], list[str]()
        if self._schedules.get(name) is not given or not given.enabled:
            wrong.append(f"the schedule {name} had been changed or switched off")
        if at > given.ends + SLACK:
            wrong.append(f"the approval of the schedule {name} had run out on {given.ends:%Y-%m-%d}")
        if given.rules not in (self._names_in_force(at), self._names_in_force(at - SLACK)):
            wrong.append("policies had changed since the schedule was approved")
        if given.digest != asked.data["template"]:
            wrong.append("the template that was approved is another one")
        for target in asked.data["targets"]:
            if given.used.setdefault((target["database"], asked.data["slot"]), asked.number) != asked.number:
                wrong.append(f"the schedule {name} had a run of that time already")
        return wrong + self._what_is_outside(asked, given.template)

    def _what_is_outside(self, asked: Asked, template: Mapping[str, Any]) -> list[str]:
        """In what a run went beyond the template that was approved."""
        found = [] if asked.kind == template["kind"] else [f"a {template['kind']} was approved, and no {asked.kind}"]
        if asked.data["costs"]:
            found.append("it would cost what nobody had approved")
        given = asked.data["parameters"]
        found += [
            f"its {key} is not what was approved"
            for key, value in template["parameters"].items()
            if value and given.get(key) != value
        ]
        known = {place["database"]: place for place in template["databases"]}
        return found + [
            f"database {target['database']} is not as it was approved"
            for target in asked.data["targets"]
            if not self._stands(target, known.get(target["database"]))
        ]

    def _stands(self, target: Mapping[str, Any], approved: Mapping[str, Any] | None) -> bool:
        """Whether a database is the one that was approved, and stands where it stood then."""
        held = self.databases.get(target["database"], {})
        if approved is None or target["identity"] != approved["identity"]:
            return False
        if "environment" not in held:
            return False
        return (
            self.environments.get(held["environment"], False) == approved["protected"]
            and all(held[name] == approved[name] for name in ("environment", "owner_group"))
            and sorted(held["tags"]) == approved["tags"]
        )

    # -- votes

    def _what_votes_lack(self, asked: Asked, at: datetime, needs: Needs, voted: Asked) -> list[str]:
        """`voted` is what people voted on: the operation itself, or the schedule's change that carries it."""
        digest = voted.data["digest"]
        both = {each.number: each for each in (voted, asked)}
        wrong = [
            f"the vote at seq {ballot.seq} rejected it"
            for each in both.values()
            for ballot in each.ballots
            if ballot.decision == "veto" and ballot.digest == each.data["digest"]
        ]
        if at > asked.at + timedelta(minutes=needs.minutes) + SLACK:
            wrong.append(f"it was armed more than {needs.minutes} min after it was asked for")
        wrong += [f"no window was open ({group})" for group in needs.windows if not _is_open(group, at)]
        newest = {ballot.person: ballot for ballot in voted.ballots if ballot.digest == digest}
        askers = {*asked.data["askers"], *voted.data["askers"]}
        doubts = {ballot.seq: self._doubt(ballot, askers, at, needs) for ballot in newest.values()}
        counting = [b for b in newest.values() if b.decision == "approve" and not doubts[b.seq]]
        missing = len(needs.chairs) - self._seated(counting, needs.chairs, at)
        if missing:
            reasons = [f"the vote at seq {seq} does not count: {why}" for seq, why in doubts.items() if why]
            reasons += [
                f"the vote at seq {ballot.seq} was cast on another plan"
                for ballot in voted.ballots
                if ballot.digest != digest
            ]
            reasons += [
                f"the votes at seq {ballot.seq} and {newest[ballot.person].seq} are of one person"
                for ballot in voted.ballots
                if ballot.person in newest and ballot.account != newest[ballot.person].account
            ]
            wrong.append(f"{missing} of {needs.words} are missing")
            wrong += reasons
        return wrong

    def _doubt(self, ballot: Ballot, askers: set[int], at: datetime, needs: Needs) -> str:
        """Why a vote does not count; empty when it does."""
        person, account = ballot.person, ballot.account
        if account is not None and self._owners.get(account, person) != person:
            return f"the login {account} is of person {self._owners[account]}, not of person {person}"
        if person in askers:
            return f"person {person} asked for it"
        if person in self._services:
            return f"person {person} is a service"
        if account is not None and self._off.get(account, at) < at - SLACK:
            return f"the login {account} was switched off"
        if account is not None and ballot.at + SLACK < self._reset.get(account, ballot.at) < at - SLACK:
            return f"somebody else set the password of the login {account} after the vote"
        if not any(self._fits(person, seat, at - SLACK, at) for seat in needs.chairs):
            return f"person {person} held none of the roles when it was armed"
        if not any(self._fits(person, seat, at - SLACK, at, since=ballot.at + SLACK) for seat in needs.chairs):
            return f"the role of person {person} did not count yet when the vote was cast"
        return ""

    def _fits(self, person: int, seat: Seat, first: datetime, last: datetime, *, since: datetime | None = None) -> bool:
        """Whether the person held a role of the seat, that counted, at some moment from `first` to `last`.

        With `since`, only what was held without a break from then on: a role that comes back brings no vote back.
        """
        for (holder, role, group), spans in self._roles.items():
            suits = holder == person and role in seat[0] and (not seat[1] or group in seat[1])
            held = [(begins, ends) for begins, ends in spans if begins and begins <= (since or last)]
            if suits and any(begins <= last and (ends is None or ends > first) for begins, ends in held):
                return True
        return False

    def _seated(self, ballots: Sequence[Ballot], chairs: Sequence[Seat], at: datetime) -> int:
        """How many chairs distinct people can take at once (Kuhn's matching)."""
        willing = {
            ballot: [i for i, seat in enumerate(chairs) if self._fits(ballot.person, seat, at - SLACK, at)]
            for ballot in ballots
        }
        taken: dict[int, Ballot] = {}

        def sit(ballot: Ballot, tried: set[int]) -> bool:
            for i in willing[ballot]:
                if i not in tried:
                    tried.add(i)
                    if i not in taken or sit(taken[i], tried):
                        taken[i] = ballot
                        return True
            return False

        return sum(sit(ballot, set()) for ballot in ballots)


def _is_open(group: str, at: datetime) -> bool:
    """Whether one of a group of weekly windows (UTC) is open, give or take what clocks may disagree by."""
    return any(_holds(row, moment) for row in json.loads(group) for moment in (at - SLACK, at))


def _holds(row: Mapping[str, Any], at: datetime) -> bool:
    today, clock = at.weekday(), at.strftime("%H:%M")
    if row["from"] < row["to"]:
        return today in row["days"] and row["from"] <= clock < row["to"]
    return (today in row["days"] and clock >= row["from"]) or ((today - 1) % 7 in row["days"] and clock < row["to"])


# -- an export, on its own --------------------------------------------------------------------------------------------

LONGEST_LINE = 16 << 20  # bytes; the console writes none that is nearly as long
EVENT, CHECKPOINT, HEADER, SEAL = b'{"event":', b'{"checkpoint":', b'{"export":', b',"seal":'


OLDER = ", or the export was made before this copy of the checkpoints (then export again)"


class BadLine(ValueError):
    """A line of an export that the console did not write."""


@dataclass(frozen=True)
class Sealed:
    """One line of an export: an event and its place in the chain."""

    seq: int
    number: int | None
    previous: bytes
    hash: bytes
    payload: bytes


def verify_export(
    open_export: Callable[[], BinaryIO], keys: Iterable[PublicKey], anchors: tuple[str, Iterable[str]] | None = None,
    *, approvals: bool = False,
) -> Report:  # fmt: skip
    """Check an export; `open_export` opens it as bytes, `anchors` names a file of checkpoints and gives its lines.

    With `approvals`, every armed operation's votes are counted again from the events.
    """
    report, ring = Report(), KeyRing(keys)
    with open_export() as events, open_export() as checkpoints:
        header, part = _header(events, report)
        inside = Anchors("the export", ((None, note) for note in _notes_in(checkpoints, report)), ring, report)
        outside = None
        if anchors is not None:
            outside = Anchors(anchors[0], ((None, note) for note in split(anchors[1])), ring, report, also=OLDER)
        replay = Approvals(report) if approvals and not part else None
        walk = Walk(report, ring, outside=outside, inside=inside, part=part, approvals=replay)
        for number, line in _lines(events):
            _follow(walk, report, number, line)
        walk.finish(report.to_seq)
        report.operations = replay.armed if replay else 0
    _tell_what_is_open(report, inside, outside, header, part)
    return report


def _follow(walk: Walk, report: Report, number: int, line: bytes | None) -> None:
    if line is not None and line.startswith((CHECKPOINT, HEADER)):
        return  # read apart from the events
    try:
        sealed = _sealed_in(line)
    except BadLine as error:
        report.add("line", f"line {number}", f"{error}.")
        return
    if sealed.number is None:
        report.doubt("An older console made this export: without the numbers of events, times were not compared.")
    walk.see(sealed.seq, sealed.number, sealed.previous, sealed.hash, sealed.payload)
    report.to_seq = max(report.to_seq, sealed.seq)


def _tell_what_is_open(
    report: Report, inside: Anchors, outside: Anchors | None, header: Mapping[str, Any], part: bool
) -> None:
    if part:
        report.doubt("This is a part of the history: what was filtered out of it cannot be missed. Export all of it.")
        return
    proven = max(inside.proven, outside.proven if outside else 0)
    if report.to_seq > proven:
        report.doubt(f"No checkpoint covers the links after {proven}.")
    if not report.events:
        report.doubt("There is no event in it.")
    promised = header.get("until_seq")
    if isinstance(promised, int) and promised > report.to_seq:
        report.add("cut", "export", f"It was made to reach link {promised} and ends at {report.to_seq}.")


def _header(file: BinaryIO, report: Report) -> tuple[Mapping[str, Any], bool]:
    """What the first line says of the export, and whether it is only a part; the file is at its beginning again."""
    line = file.readline(LONGEST_LINE)
    file.seek(0)
    if not line.startswith(HEADER):
        return {}, False
    try:
        told = json.loads(line)["export"]
        return told, bool(told.get("filters"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        report.add("line", "line 1", "It is not the first line of an export.")
        return {}, False


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Lines by number; None for one that is too long to be ours."""
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        whole = True
        while len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            whole, line = False, file.readline(LONGEST_LINE)
        yield number, line if whole else None


def _notes_in(file: BinaryIO, report: Report) -> Iterator[str]:
    for number, line in _lines(file):
        if line is None or not line.startswith(CHECKPOINT):
            continue
        try:
            told = json.loads(line)
            note = told["checkpoint"]
            if set(told) != {"checkpoint"} or not isinstance(note, str):
                raise TypeError
        except (ValueError, KeyError, TypeError, RecursionError):
            report.add("line", f"line {number}", "It holds no checkpoint that can be read.")
            continue
        yield note


def _sealed_in(line: bytes | None) -> Sealed:
    """Raises BadLine."""
    if line is None:
        raise BadLine(f"It is longer than {LONGEST_LINE >> 20} MiB")
    place = line.rfind(SEAL)
    if not line.startswith(EVENT) or place < 0:
        raise BadLine("It is neither an event nor a checkpoint")
    if not line.endswith(b"}}\n"):
        raise BadLine("It was cut off")
    try:
        seal = json.loads(line[place + len(SEAL) : -2])
        sealed = Sealed(
            seq=seal["seq"], number=seal.get("number"), previous=bytes.fromhex(seal["previous"]),
            hash=bytes.fromhex(seal["hash"]), payload=line[len(EVENT) : place],
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadLine("Its seal cannot be read") from error
    numbers = [sealed.seq] if sealed.number is None else [sealed.seq, sealed.number]
    if not all(type(number) is int and 1 <= number < 2**63 for number in numbers):
        raise BadLine("Its seal names no link of a chain")
    if len(sealed.previous) != 32 or len(sealed.hash) != 32:
        raise BadLine("Its seal holds no hashes")
    return sealed


# -- the command ------------------------------------------------------------------------------------------------------


class WrongCall(Exception):
    """The call cannot be carried out; the text says why."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(WRONG_CALL, f"{self.prog}: {message}\n")


def main(words: Sequence[str] | None = None) -> int:
    parser = _Parser(description="Check an export of the audit history of Ops Console.")
    parser.add_argument("export", metavar="EXPORT.jsonl", help="from `manage.py audit export`, without filters")
    parser.add_argument("key", metavar="audit.pub", help="the console's public key, kept elsewhere")
    parser.add_argument("--anchors", metavar="FILE", help="the copy of the checkpoint file that was kept elsewhere")
    parser.add_argument("--approvals", action="store_true", help="count every armed operation's votes again")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    given = parser.parse_args(words)
    try:
        report = _verify_files(given)
    except WrongCall as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return WRONG_CALL
    except KeyboardInterrupt:
        print("Stopped before the end: nothing was proven.", file=sys.stderr)
        return EXIT_CODES[UNPROVEN]
    print(json.dumps(report.as_dict(), ensure_ascii=True) if given.json else report.as_text())
    return report.exit_code


def _verify_files(given: argparse.Namespace) -> Report:
    keys = _keys_in(given.key)
    if given.anchors is None:
        return verify_export(lambda: _opened(given.export), keys, approvals=given.approvals)
    with _opened(given.anchors) as file:
        lines = (line.decode("utf-8", "replace") for _, line in _lines(file) if line is not None)
        return verify_export(lambda: _opened(given.export), keys, (given.anchors, lines), approvals=given.approvals)


def _opened(path: str) -> BinaryIO:
    try:
        file = open(path, "rb")  # noqa: SIM115 - the caller closes it
        file.seek(0)
        return file
    except OSError as error:
        raise WrongCall(f"{path} cannot be read: {error.strerror}.") from None


def _keys_in(path: str) -> list[PublicKey]:
    keys = []
    with _opened(path) as file:
        for number, line in _lines(file):
            text = (line or b"?").decode("utf-8", "replace").strip()
            try:
                keys += [parse_key(text)] if text else []
            except ValueError:
                raise WrongCall(f"Line {number} of {path} is no public key.") from None
    return keys


if __name__ == "__main__":
    sys.exit(main())
