from __future__ import annotations

import pytest
from django.db import DatabaseError

from opsconsole.clock import now
from opsconsole.models import Database, Environment, Operation, OperationTarget, OwnerGroup, Person
from opsconsole.states import EDGES, TERMINAL, State
from tests.opsconsole.triggers.test_append_only import refused
from tests.support.people import Cast
from tests.support.rows import bring, only_on_sqlite, operation_of, sql, vote

WAY_TO = {
    State.PLANNED: [],
    State.PENDING_APPROVAL: [State.PENDING_APPROVAL],
    State.QUEUED: [State.QUEUED],
    State.RUNNING: [State.QUEUED, State.RUNNING],
    State.CANCELLING: [State.QUEUED, State.RUNNING, State.CANCELLING],
    State.RECOVERING: [State.QUEUED, State.RUNNING, State.RECOVERING],
    State.INDETERMINATE: [State.QUEUED, State.RUNNING, State.RECOVERING, State.INDETERMINATE],
}


@pytest.mark.parametrize("frm", WAY_TO, ids=str)
def test_only_the_edges_of_the_state_machine_can_be_gone(cast: Cast, frm: State) -> None:
    for to in State:
        operation = bring(operation_of(cast.ada), *WAY_TO[frm])
        if to in EDGES[frm] or to == frm:
            assert sql("UPDATE opsconsole_operation SET state = %s WHERE id = %s", str(to), operation.pk) == 1
            continue
        with refused("edge"):
            sql("UPDATE opsconsole_operation SET state = %s WHERE id = %s", str(to), operation.pk)


def test_an_operation_cannot_begin_in_the_middle(cast: Cast) -> None:
    for state in State:
        if state != State.PLANNED:
            with refused("edge"):
                operation_of(cast.ada, state=state)


def test_a_gated_operation_asks_for_at_least_one_vote(cast: Cast) -> None:
    values = _values(operation_of(cast.ada, votes_needed=1), votes_needed=0)
    with refused("edge"):
        Operation.objects.create(**values)


@pytest.mark.parametrize("end", sorted(TERMINAL))
def test_an_operation_that_has_ended_never_changes(cast: Cast, end: State) -> None:
    way = [*WAY_TO[State.PENDING_APPROVAL]] if end == State.REJECTED else [*WAY_TO[State.RUNNING]]
    way += [State.CANCELLING] if end == State.CANCELLED else []
    operation = bring(operation_of(cast.ada), *way, end)
    for change in ("state = 'queued'", "result = '{\"rows\": 1}'", "finished_at = NULL", "state_reason = 'because'"):
        with refused("terminal"):
            sql(f"UPDATE opsconsole_operation SET {change} WHERE id = %s", operation.pk)


@pytest.mark.parametrize(
    "change",
    ["digest = 'sha256:b'", "plan_text = '{}'", "plan_format = 2", "votes_needed = 0", "kind = 'backup'",
     "requester_id = requester_id + 1", "requester_person_id = NULL", "requirement = '{\"gated\": false}'"],
)  # fmt: skip
def test_what_was_sealed_stays_sealed(cast: Cast, change: str) -> None:
    operation = bring(operation_of(cast.ada, votes_needed=1), State.PENDING_APPROVAL)
    with refused("sealed"):
        sql(f"UPDATE opsconsole_operation SET {change} WHERE id = %s", operation.pk)


def test_a_gated_operation_cannot_be_ungated(cast: Cast) -> None:
    operation = bring(operation_of(cast.ada, votes_needed=1), State.PENDING_APPROVAL)
    with refused("sealed"):
        Operation.objects.filter(pk=operation.pk).update(gated=False)


def test_a_gated_operation_without_its_votes_cannot_run(cast: Cast) -> None:
    operation = bring(operation_of(cast.ada, votes_needed=2), State.PENDING_APPROVAL, State.QUEUED)
    vote(operation, cast.grace)
    with refused("votes_missing"):
        bring(operation, State.RUNNING)
    vote(operation, cast.linus)
    assert bring(operation, State.RUNNING).state == State.RUNNING


def test_one_person_with_two_votes_counts_once(cast: Cast) -> None:
    operation = bring(operation_of(cast.ada, votes_needed=2), State.QUEUED)
    vote(operation, cast.grace)
    vote(operation, cast.grace)
    with refused("votes_missing"):
        bring(operation, State.RUNNING)


def test_the_requester_does_not_count(cast: Cast) -> None:
    operation = bring(operation_of(cast.ada, votes_needed=1), State.QUEUED)
    vote(operation, cast.ada)
    with refused("votes_missing"):
        bring(operation, State.RUNNING)


def test_a_withdrawn_vote_does_not_count(cast: Cast) -> None:
    operation = bring(operation_of(cast.ada, votes_needed=1), State.QUEUED)
    vote(operation, cast.grace)
    vote(operation, cast.grace, "withdraw")
    with refused("votes_missing"):
        bring(operation, State.RUNNING)


def test_a_vote_for_another_digest_does_not_count(cast: Cast) -> None:
    operation = bring(operation_of(cast.ada, votes_needed=1), State.QUEUED)
    vote(operation, cast.grace, digest="sha256:" + "b" * 64)
    with refused("votes_missing"):
        bring(operation, State.RUNNING)


def test_a_service_does_not_count(cast: Cast) -> None:
    operation = bring(operation_of(cast.ada, votes_needed=1), State.QUEUED)
    service = Person.objects.create(name="Robot", email="robot@example.test", is_service=True)
    cast.grace.person = service
    vote(operation, cast.grace)
    with refused("votes_missing"):
        bring(operation, State.RUNNING)


def test_a_veto_ends_it_whatever_others_say(cast: Cast) -> None:
    operation = bring(operation_of(cast.ada, votes_needed=1), State.QUEUED)
    vote(operation, cast.grace)
    vote(operation, cast.linus, "veto")
    with refused("votes_missing"):
        bring(operation, State.RUNNING)


def test_only_a_running_operation_has_a_lease(cast: Cast) -> None:
    operation = bring(operation_of(cast.ada), State.QUEUED)
    rows = Operation.objects.filter(pk=operation.pk)
    for change in ({"lease_until": now()}, {"fence": 7}, {"progress": {"done": 1}}, {"committed_at": now()}):
        with refused("not_running"):
            rows.update(**change)
    assert rows.update(state=State.RUNNING, fence=7, lease_until=now(), worker="here") == 1
    assert rows.update(progress={"done": 1}) == 1


def test_operations_are_never_removed(cast: Cast) -> None:
    operation_of(cast.ada)
    with refused("append_only"):
        sql("DELETE FROM opsconsole_operation")


def test_a_target_is_held_exactly_while_its_operation_is_active(cast: Cast) -> None:
    target = _target(operation_of(cast.ada))
    rows = OperationTarget.objects.filter(pk=target.pk)
    with refused("target"):
        rows.update(active=True)
    bring(target.operation, State.QUEUED, State.RUNNING)
    assert rows.update(active=True) == 1
    with refused("target"):
        rows.update(active=False)
    bring(target.operation, State.SUCCEEDED)
    assert rows.update(active=False) == 1


def test_what_an_operation_touches_never_changes(cast: Cast) -> None:
    target = _target(operation_of(cast.ada))
    with refused("target"):
        OperationTarget.objects.filter(pk=target.pk).update(identity="sqlite:1:2:/another")
    with refused("append_only"):
        OperationTarget.objects.filter(pk=target.pk).delete()


def test_an_operation_cannot_be_replaced(cast: Cast) -> None:
    operation = operation_of(cast.ada, votes_needed=1)
    loose = Operation(pk=operation.pk, **_values(operation, votes_needed=0, gated=False))
    with pytest.raises(DatabaseError):
        Operation.objects.bulk_create(
            [loose], update_conflicts=True, unique_fields=["id"], update_fields=["gated", "votes_needed"]
        )


@only_on_sqlite
def test_an_operation_cannot_be_replaced_by_insert_or_replace(cast: Cast) -> None:
    operation = operation_of(cast.ada, votes_needed=1)
    columns = [field.column for field in Operation._meta.local_concrete_fields]
    values = ", ".join("0" if name in ("gated", "votes_needed") else name for name in columns)
    with refused("replaced"):
        sql(f"REPLACE INTO opsconsole_operation ({', '.join(columns)}) SELECT {values} FROM opsconsole_operation")
    assert Operation.objects.get(pk=operation.pk).gated


def _values(operation: Operation, **changes: object) -> dict[str, object]:
    names = (
        "kind",
        "requester",
        "requester_person",
        "plan_text",
        "digest",
        "plan_format",
        "gated",
        "votes_needed",
        "created_at",
    )
    return {name: getattr(operation, name) for name in names} | changes


def _target(operation: Operation) -> OperationTarget:
    change = bring(operation_of(operation.requester, kind="change"), State.QUEUED, State.RUNNING)
    database = Database.objects.create(
        name="savings", engine="sqlite", display="sqlite:///x", environment=Environment.objects.get(name="testing"),
        owner_group=OwnerGroup.objects.get(name="default"), identity="sqlite:1:2:/x", changed_by=change,
    )  # fmt: skip
    return OperationTarget.objects.create(
        operation=operation, database=database, identity=database.identity, role="target"
    )
