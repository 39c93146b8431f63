"""The verifier that stands alone: an export, a public key, a copy of the checkpoints, and nothing of the console."""

from __future__ import annotations

import ast
import io
import json
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from opsconsole import audit, process, verify_audit
from opsconsole.audit import checkpoints
from opsconsole.audit.export import export
from opsconsole.audit.reading import Filters
from opsconsole.keys import public_keys
from opsconsole.models import AuditCheckpoint, AuditEvent
from opsconsole.verify_audit import STANDALONE, Report, ed25519_verify, parse_key, verify_export
from tests.opsconsole.audit.test_verification import cut_the_tail, rewrite_history_consistently
from tests.support.console import Console
from tests.support.tampering import guards_off

ORDER = 2**252 + 27742317777372353535851937790883648493


@pytest.fixture
def exported(history: list[AuditEvent]) -> list[str]:
    """The lines of an export: its header, thirty events, four checkpoints."""
    return "".join(export("jsonl")).splitlines(keepends=True)


def check(console: Console, text: str | bytes, anchors: str | None = None) -> Report:
    data = text.encode() if isinstance(text, str) else text
    kept = None if anchors is None else ("kept.log", anchors.splitlines(keepends=True))
    return verify_export(lambda: io.BytesIO(data), public_keys(console.home, "audit").values(), kept)


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings}


def kept_copy() -> str:
    return checkpoints.anchors_path().read_text()


# -- the whole program ------------------------------------------------------------------------------------------------


def run_alone(console: Console, *words: str, isolated: bool = True) -> Any:
    """Run the file by itself: without any installed package when `isolated`."""
    alone = console.home / "elsewhere" / "verify_audit.py"
    alone.parent.mkdir(exist_ok=True)
    shutil.copyfile(STANDALONE, alone)
    argv = [process.python(), *(["-I", "-S"] if isolated else []), str(alone), *words]
    return process.run(argv, env={"PATH": "/usr/bin:/bin"}, timeout=60, cwd=alone.parent)


@pytest.mark.parametrize("isolated", [True, False], ids=["own arithmetic", "cryptography"])
def test_it_runs_without_the_console_and_without_any_package(
    exported: list[str], console: Console, isolated: bool
) -> None:
    target, anchors = console.home / "audit.jsonl", checkpoints.anchors_path()
    public = console.home / "keys" / "audit.pub"
    target.write_text("".join(exported))
    words = [str(target), str(public), "--anchors", str(anchors)]
    done = run_alone(console, *words, "--json", isolated=isolated)
    told = json.loads(done.stdout)
    assert (done.returncode, told["verdict"], told["events"], told["checkpoints"]) == (0, "sound", 30, 8)
    target.write_text("".join(exported).replace("login 12", "login 13"))
    done = run_alone(console, *words, isolated=isolated)
    assert done.returncode == 1
    assert b"payload    seq 12" in done.stdout
    public.write_bytes(b"")
    assert run_alone(console, *words, isolated=isolated).returncode == 1
    target.write_text("".join(exported))
    assert run_alone(console, *words, isolated=isolated).returncode == 2


@pytest.mark.parametrize(
    "words",
    [[], ["only one"], ["/nowhere.jsonl", "PUB"], ["EXPORT", "/nowhere.pub"], ["EXPORT", "EXPORT"], ["EXPORT", "/"],
     ["EXPORT", "PUB", "--anchors", "/nowhere.log"], ["EXPORT", "PUB", "--from", "3"]],
)  # fmt: skip
def test_a_wrong_call_ends_with_3_and_a_sentence(exported: list[str], console: Console, words: list[str]) -> None:
    (console.home / "audit.jsonl").write_text("".join(exported))
    places = {"EXPORT": str(console.home / "audit.jsonl"), "PUB": str(console.home / "keys" / "audit.pub")}
    done = run_alone(console, *(places.get(word, word) for word in words))
    assert done.returncode == 3
    assert b"Traceback" not in done.stderr
    assert done.stderr.endswith((b".\n", b"\n"))


def test_it_imports_nothing_but_the_standard_library() -> None:
    tree = ast.parse(STANDALONE.read_text(), feature_version=(3, 9))
    names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    tops = {name.partition(".")[0] for name in names}
    assert tops - set(sys.stdlib_module_names) == {"cryptography"}


# -- what it finds ----------------------------------------------------------------------------------------------------


def test_the_same_as_in_the_tables_is_found_in_their_export(history: list[AuditEvent], console: Console) -> None:
    kept = kept_copy()
    with guards_off():
        rewrite_history_consistently()
    there = audit.verify()
    here = check(console, "".join(export("jsonl")), kept)
    assert codes(here) == codes(there) == {"fork"}
    with guards_off():
        cut_the_tail()
    assert codes(check(console, "".join(export("jsonl")), kept)) == {"cut"}


def edited(number: int, old: str, new: str) -> Callable[[list[str]], None]:
    def edit(lines: list[str]) -> None:
        assert old in lines[number]
        lines[number] = lines[number].replace(old, new)

    return edit


def moved(lines: list[str]) -> None:
    lines[12], lines[13] = lines[13], lines[12]


TAMPERINGS: dict[str, tuple[Callable[[list[str]], Any], set[str]]] = {
    "an event is edited": (edited(12, "login 12", "login 13"), {"payload"}),
    "an event is removed": (lambda lines: lines.pop(12), {"gap"}),
    "an event stands twice": (lambda lines: lines.insert(12, lines[12]), {"order"}),
    "two events are swapped": (moved, {"gap", "order"}),
    "a seal's hash is edited": (edited(12, '"hash":"', '"hash":"00'), {"line"}),
    "a seal's number is edited": (edited(12, '"seq":12', '"seq":13'), {"payload", "order"}),
    "the last event is removed": (lambda lines: lines.pop(30), {"cut"}),
    "a checkpoint is edited": (edited(33, "\\n20\\n", "\\n19\\n"), {"forged"}),
    "a checkpoint is no note": (edited(33, "opsconsole/", "\\nopsconsole/"), {"forged"}),
    "a line is garbage": (lambda lines: lines.insert(5, "garbage\n"), {"line"}),
    "an empty line": (lambda lines: lines.insert(5, "\n"), {"line"}),
    "a payload is not canonical": (edited(12, '"v":1}', '"v": 1}'), {"payload"}),
    "something stands beside the payload": (edited(12, ',"seal"', ',"more":1,"seal"'), {"payload"}),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_a_tampered_export_is_found(exported: list[str], console: Console, what: str) -> None:
    tamper, expected = TAMPERINGS[what]
    tamper(exported)
    report = check(console, "".join(exported))
    assert report.exit_code == 1
    assert expected <= codes(report), report.findings


def test_a_part_of_the_history_is_never_called_whole(history: list[AuditEvent], console: Console) -> None:
    audit.record("auth.logout")
    report = check(console, "".join(export("jsonl", Filters(type="auth.logout"))))
    assert (report.exit_code, report.events, report.findings) == (2, 1, [])
    text = "".join(export("jsonl", Filters(type="auth.login"))).replace("login 12", "login 13")
    assert check(console, text).exit_code == 1


def test_what_no_checkpoint_covers_is_not_proven(exported: list[str], console: Console) -> None:
    report = check(console, "".join(exported[:-1]))
    assert (report.exit_code, report.unproven) == (2, ["No checkpoint covers the links after 20."])


def test_a_tail_that_was_cut_with_its_checkpoints_is_found_by_the_kept_copy(
    exported: list[str], console: Console
) -> None:
    kept = kept_copy()
    short = [line.replace('"until_seq":30', '"until_seq":20') for line in [*exported[:21], *exported[31:-1]]]
    assert check(console, "".join(short)).exit_code == 0  # which is why a copy is kept
    assert codes(check(console, "".join(short), kept)) == {"cut"}


def test_of_an_export_that_is_older_than_the_kept_copy_it_is_said_that_this_may_be_all(
    exported: list[str], console: Console
) -> None:
    audit.record("op.armed")
    audit.checkpoint(force=True)
    found = check(console, "".join(exported), kept_copy()).findings
    assert {finding.code for finding in found} == {"cut"}
    assert all("the export was made before this copy of the checkpoints" in finding.why for finding in found)


def test_checkpoints_among_the_events_count_as_well(exported: list[str], console: Console) -> None:
    mixed = [*exported[:12], exported[31], exported[32], *exported[12:31], *exported[33:]]
    assert check(console, "".join(mixed)).exit_code == 0


def test_an_empty_file_proves_nothing(exported: list[str], console: Console) -> None:
    assert check(console, "").exit_code == 2


def test_no_input_ends_in_a_traceback(exported: list[str], console: Console) -> None:
    """Bytes of an export are flipped, cut and doubled at random; every outcome is a report."""
    whole, chance = "".join(exported).encode(), random.Random(1)
    for _ in range(100):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data))
            choice = chance.randrange(4)
            if choice == 0:
                data[at] ^= 1 << chance.randrange(8)
            elif choice == 1:
                del data[at : at + chance.randrange(400)]
            elif choice == 2:
                data[at:at] = chance.randbytes(chance.randrange(9))
            else:
                data[at:at] = b"[" * 2000
        report = check(console, bytes(data), kept_copy())
        assert report.exit_code in (1, 2)


def test_a_line_without_end_is_refused_at_constant_memory(
    exported: list[str], console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_audit, "LONGEST_LINE", 4096)
    exported.insert(5, "x" * 100_000 + "\n")
    report = check(console, "".join(exported))
    assert [(finding.code, finding.where) for finding in report.findings] == [("line", "line 6")]


# -- between a table and a file ---------------------------------------------------------------------------------------


def test_a_checkpoint_that_is_gone_from_the_table_is_found(history: list[AuditEvent]) -> None:
    with guards_off():
        AuditCheckpoint.objects.filter(seq=20)._raw_delete("default")
    assert codes(audit.verify()) == {"removed"}


def test_a_checkpoint_that_a_killed_console_left_in_the_file_is_taken_up(history: list[AuditEvent]) -> None:
    with guards_off():
        AuditCheckpoint.objects.filter(seq=30)._raw_delete("default")
    assert (audit.verify().exit_code, len(audit.verify().unproven)) == (2, 1)
    audit.record("auth.login")
    audit.checkpoint(force=True)
    assert AuditCheckpoint.objects.filter(seq=30).exists()
    assert audit.verify().exit_code == 0


def test_columns_of_a_checkpoint_say_what_its_note_says(history: list[AuditEvent]) -> None:
    with guards_off():
        AuditCheckpoint.objects.filter(seq=20).update(key_id="0" * 16)
    assert codes(audit.verify()) == {"forged"}


# -- signatures without a library -------------------------------------------------------------------------------------

VECTORS = (  # RFC 8032, section 7.1: public key, message, signature
    ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe2465"
     "5141438e7a100b"),
    ("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb0"
     "0d291612bb0c00"),
    ("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc0"
     "27beceea1ec40a"),
)  # fmt: skip


@pytest.mark.parametrize(("public", "message", "signature"), VECTORS)
def test_the_rfcs_vectors_verify(public: str, message: str, signature: str) -> None:
    raw, data, signed = (bytes.fromhex(text) for text in (public, message, signature))
    assert ed25519_verify(raw, data, signed)
    assert not ed25519_verify(raw, data + b"x", signed)


def by_the_library(public: bytes, data: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def test_random_keys_and_damaged_signatures_are_judged_as_by_the_library() -> None:
    chance = random.Random(2)
    for _ in range(40):
        private = Ed25519PrivateKey.from_private_bytes(chance.randbytes(32))
        public, data = private.public_key().public_bytes_raw(), chance.randbytes(chance.randrange(300))
        signature = private.sign(data)
        assert ed25519_verify(public, data, signature)
        for part in range(3):
            damaged = [bytearray(public), bytearray(data or b"x"), bytearray(signature)]
            damaged[part][chance.randrange(len(damaged[part]))] ^= 1 << chance.randrange(8)
            given = bytes(damaged[0]), bytes(damaged[1]), bytes(damaged[2])
            assert ed25519_verify(*given) == by_the_library(*given) is False


def test_malleable_and_degenerate_signatures_are_refused() -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public, signature = private.public_key().public_bytes_raw(), private.sign(b"data")
    larger = int.from_bytes(signature[32:], "little") + ORDER
    assert not ed25519_verify(public, b"data", signature[:32] + larger.to_bytes(32, "little"))
    zero, one = bytes(32), (1).to_bytes(32, "little")
    for weak in (one, zero, (2**255 - 20).to_bytes(32, "little"), (2**255 - 18).to_bytes(32, "little"), b"\xff" * 32):
        assert not ed25519_verify(weak, b"data", one + zero)
    for short in (b"", signature[:63], signature + b"x"):
        assert not ed25519_verify(public, b"data", short)
    assert not ed25519_verify(public[:31], b"data", signature)


@pytest.mark.parametrize("line", ["", "ed25519", "rsa 0 0", "ed25519 0000000000000000 " + "A" * 43 + "=", "x y *"])
def test_what_is_no_key_is_told(line: str) -> None:
    with pytest.raises(ValueError):
        parse_key(line)


def test_a_key_reads_back_as_it_was_written(tmp_path: Path) -> None:
    raw = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    for key in (verify_audit.PublicKey(raw), verify_audit.PublicKey(raw, until=30)):
        assert parse_key(key.line()) == key
