from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

import pytest

from opsconsole import audit
from opsconsole.audit.export import export
from opsconsole.audit.reading import Filters
from opsconsole.exceptions import Usage
from opsconsole.models import AuditEvent, AuditSeal
from opsconsole.plans import canonical_json
from tests.support.console import Console
from tests.support.people import Cast


def lines(text: Iterator[str]) -> list[dict[str, object]]:
    """What follows the first line, which is about the export itself."""
    return [json.loads(line) for line in "".join(text).splitlines()][1:]


def test_the_first_line_says_what_was_exported(history: list[AuditEvent]) -> None:
    audit.record("auth.logout")
    first = next(export("jsonl", Filters(kind="restore")))
    assert json.loads(first) == {
        "export": {"filters": {"kind": "restore"}, "format": 1, "until_seq": 31},
    }


def test_an_export_ends_at_a_checkpoint(history: list[AuditEvent]) -> None:
    audit.record("auth.logout")
    *_, note = found = lines(export("jsonl"))
    assert [line["seal"]["seq"] for line in found if "seal" in line][-1] == 31
    assert note["checkpoint"].split("\n")[1] == "31"


def test_every_line_is_canonical(history: list[AuditEvent]) -> None:
    for line in "".join(export("jsonl")).splitlines():
        assert canonical_json(json.loads(line)).decode() == line


def test_an_export_is_an_event_itself(history: list[AuditEvent]) -> None:
    list(export("csv", Filters(kind="restore", person="system:root")))
    told = json.loads(bytes(AuditEvent.objects.latest("id").payload))
    assert told["type"] == "audit.exported"
    assert told["data"] == {"filters": {"kind": "restore", "person": "system:root"}, "format": "csv", "until_seq": 30}


def test_an_export_is_recorded_even_when_nobody_reads_it(history: list[AuditEvent]) -> None:
    export("jsonl")
    assert AuditEvent.objects.latest("id").type == "audit.exported"


def test_events_that_wait_for_their_seal_are_sealed_first(
    history: list[AuditEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsconsole.audit.checkpoints.seal", lambda: 0)
    audit.record("auth.logout")
    assert AuditSeal.objects.count() == 30
    assert lines(export("jsonl", Filters(type="auth.logout")))[0]["seal"]["seq"] == 31


def test_filters_choose_and_the_covering_checkpoint_comes_along(history: list[AuditEvent], cast: Cast) -> None:
    with audit.acting_as(audit.actor_for(cast.grace)):
        audit.record("auth.login")
    audit.checkpoint(force=True)
    event, checkpoint = lines(export("jsonl", Filters(person="grace", type="auth.")))
    assert event["event"]["actor"]["name"] == "Grace"
    assert checkpoint["checkpoint"].split("\n")[1] == str(event["seal"]["seq"])


def test_nothing_that_fits_is_an_empty_export(history: list[AuditEvent]) -> None:
    assert lines(export("jsonl", Filters(kind="restore"))) == []


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_a_cell_is_never_a_formula(console: Console, start: str) -> None:
    audit.record("auth.login_failed", subject=start, reason=start)
    rows = list(csv.DictReader(io.StringIO("".join(export("csv")), newline="")))
    assert (rows[0]["object"], rows[0]["reason"]) == (f"'{start}", f"'{start}")


def test_every_cell_is_quoted_and_reads_back(console: Console) -> None:
    audit.record("auth.login_failed", subject='a "b", c\nd', data={"attempts": 3})
    text = "".join(export("csv"))
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert text.startswith('"seq","id","at"')
    assert (rows[0]["object"], rows[0]["seq"], json.loads(rows[0]["data"])) == ('a "b", c\nd', "1", {"attempts": 3})
    assert rows[0]["sentence"] == 'A login as a "b", c\nd failed'


def test_an_unknown_format_or_person_is_a_wrong_call(history: list[AuditEvent]) -> None:
    for call in (lambda: export("xlsx"), lambda: export("csv", Filters(person="nobody"))):
        with pytest.raises(Usage):
            call()
    assert not AuditEvent.objects.filter(type="audit.exported").exists()
