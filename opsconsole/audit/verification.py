"""Verifying the history: one pass over the chain at constant memory, then the comparison with the rows it tells of."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import DatabaseError

from opsconsole import triggers
from opsconsole.audit import accounting, scouting, standing, storage
from opsconsole.audit.anchors import from_file, from_table
from opsconsole.audit.checkpoints import KEY, anchors_path
from opsconsole.audit.reconciliation import reconcile
from opsconsole.audit.record import record
from opsconsole.chain import stretches
from opsconsole.chain.links import Row, read
from opsconsole.chain.stretches import CHUNK, CLOSELY
from opsconsole.exceptions import Usage
from opsconsole.keys import public_keys
from opsconsole.verify_audit import Anchors, Approvals, KeyRing, Report, Walk


def verify(from_seq: int = 1, anchors: Path | None = None, *, approvals: bool = False) -> Report:
    """Check everything from link `from_seq` on; the link before it is taken as given. Changes nothing.

    `anchors` is a file of checkpoints from outside the database (default: the console's own). With `approvals`, every
    armed operation's votes are counted again from the events. Raises Usage when `from_seq` is not between 1 and the
    head, or is not 1 with `approvals`.
    """
    if approvals and from_seq != 1:
        raise Usage("bad_value", "Votes are counted again from the first event on.", "Leave --from out.")
    head = storage.head()
    if not 1 <= from_seq <= max(head, 1):
        raise Usage("bad_value", f"There is no link {from_seq}: the chain goes from 1 to {head}.", "Use --from 1.")
    report = Report(from_seq=from_seq, to_seq=head)
    ring = KeyRing(public_keys(settings.OPSCONSOLE_HOME, KEY).values())
    path = anchors or anchors_path()
    replay = Approvals(report) if approvals else None
    with from_file(path, ring, report) as outside, from_table(ring, report) as inside:
        before = storage.link_before(from_seq)
        walk = Walk(report, ring, outside=outside, inside=inside, previous=before, approvals=replay)
        counted = _walk(report, walk, closely=approvals)
        _tell_what_is_open(report, outside, path)
    if replay is not None:
        standing.compare(report, replay)
    accounting.check(report, counted, each_met_once=from_seq == 1 and walk.met_each_event_once)
    for problem in triggers.problems():
        report.add("guards", "database", problem)
    _reconcile(report)
    return report


def verify_and_record(from_seq: int = 1, anchors: Path | None = None, *, approvals: bool = False) -> Report:
    """Verify, and record that it was done and what came of it."""
    report = verify(from_seq, anchors, approvals=approvals)
    record(
        "audit.verified", outcome="ok" if report.exit_code == 0 else "failed",
        data={"verdict": report.verdict, "from_seq": report.from_seq, "to_seq": report.to_seq,
              "checkpoints": report.checkpoints, "findings": report.findings_in_all, "approvals": approvals},
    )  # fmt: skip
    return report


def _walk(report: Report, walk: Walk, *, closely: bool) -> accounting.Counts:
    """Follow the chain: past whole stretches that are plainly well, link by link where anything is not (or always).

    Gives back what was counted while the scouts start.
    """
    after, last = report.from_seq - 1, report.to_seq
    with scouting.sent_ahead(report.from_seq, 0 if closely else last) as steps:
        counted = accounting.count(last if report.from_seq == 1 else None)
        while after < last:
            end = steps.after(walk.reached)
            if end is not None and end.seq < walk.next_checkpoint:
                walk.pass_to(end)
                after = end.seq
                continue
            rows = read(after, last, CHUNK - (after + 1 - report.from_seq) % CHUNK)
            if not rows:
                break
            _follow(report, walk, rows, closely=closely)
            after = rows[-1][0]
    walk.finish(last)
    return counted


def _follow(report: Report, walk: Walk, rows: list[Row], *, closely: bool) -> None:
    step = CHUNK if closely else CLOSELY
    while rows:
        passed, reached = stretches.pass_over(rows, walk.reached, before=0 if closely else walk.next_checkpoint)
        walk.pass_to(reached)
        close, rows = stretches.parted(rows[passed:], step)
        if close:
            _look_closely(report, walk, close[0][0], close[-1][0])


def _look_closely(report: Report, walk: Walk, first: int, last: int) -> None:
    """See each link, and compare each event's index columns with its payload."""
    for seq, number, previous, stored, payload, *held in storage.closely(first, last):
        read = walk.see(seq, number, previous, stored, payload)
        wrong = storage.differing(held, read[1]) if read is not None else []
        if wrong:
            report.add("index", f"seq {seq}", f"Columns of event {number} differ from its payload: {', '.join(wrong)}.")


def _reconcile(report: Report) -> None:
    try:
        reconcile(report)
    except (DatabaseError, TypeError, ValueError):  # from a log whose columns hold what only SQLite lets them hold
        if not report.findings_in_all:
            raise
        report.doubt("Other rows were not all compared with the history: its columns hold what nobody can read.")


def _tell_what_is_open(report: Report, outside: Anchors, path: Path) -> None:
    if outside.missing:
        report.doubt(f"There is no checkpoint file {path}; give the copy that was kept with --anchors.")
    elif not outside.count and report.to_seq:
        report.doubt("No checkpoint outside the database covers the chain yet; one is made every five minutes.")
