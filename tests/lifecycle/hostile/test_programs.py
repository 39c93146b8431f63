"""pg_dump and pg_restore that hang, ignore SIGTERM, talk without end or tell secrets. Real ones cannot be made to."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from lifecycle.kinds.backup import BackupKind
from opsconsole import operations, process, supervisor
from opsconsole.engines.postgresql import tool_runs
from opsconsole.engines.postgresql.tool_runs import Tool, running
from opsconsole.exceptions import Cancelled, OperationFailed
from opsconsole.models import AuditEvent
from opsconsole.states import State
from tests.lifecycle.hostile.conftest import last_attempt, told
from tests.support.adversity import HANGS, TELLS_PASSWORDS, false_tools
from tests.support.cases import runners_of, state_of, wait_until, work

WRITES_MUCH = "exec head -c 1073741824 /dev/zero"


def shell(script: str, **options: object) -> Tool:
    return Tool(["/bin/sh", "-c", script], {}, (), **options)  # type: ignore[arg-type]


def never() -> None:
    return None


def test_of_256_mib_of_complaints_the_beginning_and_the_end_are_kept():
    script = "exec >&2; echo begin; head -c 268435456 /dev/zero | tr '\\0' x; echo; echo 'sh: error: the end'; exit 1"
    with running(shell(script)) as tool, pytest.raises(OperationFailed) as failed:
        tool.finish(never)
    assert failed.value.code == "tool_failed"
    assert "the end" in failed.value.why
    assert len(failed.value.why) < 2 * tool_runs.LONGEST_MESSAGE
    said = tool.said()
    assert said[0] == "begin"
    assert max(map(len, said)) <= tool_runs.LONGEST_LINE


def test_signs_for_terminals_and_the_password_are_taken_out_of_what_a_program_says():
    tool = shell("printf 'sh: error: \\033[31mred\\007 key hunter2 \\n' >&2; exit 1", secret="hunter2")
    with running(tool), pytest.raises(OperationFailed) as failed:
        tool.finish(never)
    assert failed.value.why == "sh failed: sh: error: red key *** "


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("pg_restore: error: ERROR:  could not extend file: No space left on device", "server_disk_full"),
        ("pg_dump: error: could not write to output file: No space left on device", "disk_full"),
        ("pg_dump: error: query failed: ERROR:  canceling statement due to lock timeout", "locked"),
        ("pg_dump: error: query failed: server closed the connection unexpectedly", "refused"),
        ("pg_dump: error: something else", "tool_failed"),
    ],
)
def test_the_cause_of_a_failure_has_a_code_of_its_own(said, code):
    with running(shell(f"echo '{said}' >&2; exit 1")) as tool, pytest.raises(OperationFailed) as failed:
        tool.finish(never)
    assert (failed.value.code, bool(failed.value.next_step)) == (code, True)


def test_a_program_that_neither_reads_nor_writes_is_left_when_the_run_is_cancelled():
    calls = 0

    def cancelled() -> None:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise Cancelled("cancelled", "Somebody asked.")

    with running(shell(HANGS, stdin=process.PIPE, stdout=process.PIPE)) as tool:
        for wait in (
            lambda: tool.finish(cancelled),
            lambda: tool.output(cancelled).read(1),
            lambda: tool.feed(bytes(1 << 20), cancelled),
        ):
            calls = 0
            with pytest.raises(Cancelled):
                wait()
    assert tool.child.returncode == -9


def test_a_program_that_writes_more_than_fits_into_memory_is_ended(tmp_path: Path):
    with (tmp_path / "out").open("wb") as out:
        tool = shell(WRITES_MUCH, stdout=out, most_file_bytes=1 << 20)
        with running(tool), pytest.raises(OperationFailed) as failed:
            tool.finish(never)
    assert (tmp_path / "out").stat().st_size == 1 << 20
    assert failed.value.code == "too_large"


@pytest.fixture
def bin_of(tmp_path, postgres):
    return lambda **scripts: str(false_tools(tmp_path / "bin", postgres.bin, **scripts))


CASES = {
    "native, pg_dump": ("native", {"pg_dump": HANGS}),
    "custom, pg_dump": ("custom", {"pg_dump": HANGS}),
    "custom, pg_restore": ("custom", {"pg_restore": HANGS, "version": "99.0"}),
}


@pytest.mark.parametrize(
    "case", ["native, pg_dump", *(pytest.param(name, marks=pytest.mark.nightly) for name in list(CASES)[1:])]
)
def test_a_backup_whose_program_hangs_is_cancelled_within_seconds(
    console, cast, postgres_shop, aftermath, bin_of, case
):
    shop, row = postgres_shop
    wanted, scripts = CASES[case]
    operation = operations.request("backup", row, {"format": wanted}, account=cast.ada)
    run = threading.Thread(target=work, args=(console, operation), kwargs={"OPSCONSOLE_PG_BIN": bin_of(**scripts)})
    run.start()
    wait_until(
        lambda: state_of(operation) == State.RUNNING and "sleep" in commands_of(operation), "the hanging program"
    )
    operations.cancel(operation, account=cast.ada, reason="it hangs")
    run.join(20)
    assert not run.is_alive()
    assert state_of(operation) == State.CANCELLED, told(operation)
    aftermath.nothing_listed(row)
    aftermath.nothing_left(operation, shop)
    aftermath.goes_on(row)


def test_a_runner_that_does_not_heed_a_cancel_is_ended_before_its_commit_point(
    console, cast, sqlite_shop, aftermath, monkeypatch
):
    shop, row = sqlite_shop
    monkeypatch.setattr(supervisor, "CANCEL_SECONDS", 1.0)
    operation = operations.request("backup", row, {}, account=cast.ada)
    asleep = {"OPSCONSOLE_FAILPOINT": "backup.mid:sleep=90"}
    run = threading.Thread(target=work, args=(console, operation), kwargs=asleep)
    run.start()
    wait_until(lambda: operation.lines.exists() or list((console.home / "store").rglob("*.part")), "the middle of it")
    operations.cancel(operation, account=cast.ada, reason="it hangs")
    run.join(40)
    assert not run.is_alive()
    assert state_of(operation) == State.CANCELLED, told(operation)
    assert "did not stop by itself" in operation.state_reason
    aftermath.nothing_listed(row)
    aftermath.nothing_left(operation, shop)


def test_a_backup_whose_program_hangs_for_too_long_has_stalled(
    console, cast, postgres_shop, aftermath, bin_of, monkeypatch
):
    shop, row = postgres_shop
    monkeypatch.setattr(BackupKind, "stall_seconds", 2)
    operation = last_attempt(operations.request("backup", row, {"format": "custom"}, account=cast.ada))
    work(console, operation, OPSCONSOLE_PG_BIN=bin_of(pg_dump=HANGS))
    aftermath.failed(operation, "stalled")
    aftermath.nothing_listed(row)
    aftermath.nothing_left(operation, shop)
    monkeypatch.undo()
    aftermath.goes_on(row)


def test_a_password_that_a_program_prints_is_in_no_row_and_no_event(console, cast, postgres_shop, aftermath, bin_of):
    shop, row = postgres_shop
    operation = operations.request("backup", row, {}, account=cast.ada)
    work(console, operation, OPSCONSOLE_PG_BIN=bin_of(pg_dump=TELLS_PASSWORDS))
    aftermath.failed(operation, "tool_failed")
    assert "refused with" in operation.failure_why
    kept = [told(operation), *AuditEvent.objects.values_list("payload", flat=True)]
    assert not [text for text in map(str, kept) if shop.server.password in text]
    aftermath.nothing_left(operation, shop)


def commands_of(operation) -> str:
    """The command lines of an operation's processes."""
    found = []
    for pid in runners_of(operation):
        try:
            found.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return " ".join(found)
