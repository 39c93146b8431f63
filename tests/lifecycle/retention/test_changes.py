"""Rules, holds and what is deleted by hand: who must agree, what is refused, what the history proves of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lifecycle.backups import choices, downloads, pins, uses
from lifecycle.models import Backup, Hold, RetentionRule
from lifecycle.restores import kept
from lifecycle.retention import passing, rules, trash
from lifecycle.retention.facts import candidates_of, outlook
from lifecycle.retention.rule import USUAL
from opsconsole import operations
from opsconsole.audit import verification
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Database, Operation
from opsconsole.states import State
from tests.lifecycle.retention.conftest import nightly, taken
from tests.opsconsole.approvals.scenes import add_database, approve
from tests.support.cases import work
from tests.support.console import Console
from tests.support.people import Cast, close_bootstrap

Later = Callable[..., None]


def asked(account: Any, action: str, **parameters: Any) -> Operation:
    return operations.request_change(action, parameters, account=account, reason="it was agreed on")


def agreed(cast: Cast, action: str, *, by: Any = None, **parameters: Any) -> Operation:
    done = approve(cast.grace, asked(by or cast.ada, action, **parameters))
    assert done.state == State.SUCCEEDED, done.failure_why
    return done


def codes_of(account: Any, row: Database, backup: Backup, kind: str = "expire") -> str:
    with pytest.raises(Refused) as caught:
        operations.draft(kind, row, {"backup": str(backup.pk)}, account=account)
    return caught.value.code


def test_the_narrowest_rule_counts_and_one_that_keeps_less_waits(later: Later, shop: Database, cast: Cast) -> None:
    savings = add_database("savings", "production")
    nightly(shop, cast, 12)
    close_bootstrap()
    assert rules.rule_for(shop) == USUAL
    more = agreed(cast, "retention.set", by=cast.admin, scope="environment/development", daily="10")
    assert (more.plan.risk, rules.rule_for(shop).daily, rules.rule_for(savings).daily) == ("low", 10, 7)
    for scope in ("default", "environment/development"):
        with pytest.raises(Usage, match="that is the rule already"):
            asked(cast.admin, "retention.set", scope=scope)
    less = asked(cast.admin, "retention.set", scope="database/shop", last="1", daily="0", weekly="0", monthly="0")
    assert less.plan.risk == "high"
    assert "Of shop it keeps less than now: 11 of its backups would go today" in less.plan.risk_reasons[0]
    approve(cast.grace, less)
    assert rules.rule_for(shop).daily == 10  # it begins in 24 hours
    later(hours=25)
    assert (rules.scoped_for(shop).scope, rules.rule_for(shop).last) == ("database/shop", 1)
    back = agreed(cast, "retention.remove", by=cast.admin, scope="database/shop")
    assert (back.plan.risk, rules.scoped_for(shop).scope) == ("low", "environment/development")
    assert RetentionRule.objects.filter(scope="database/shop").count() == 2
    for wrong in ({"scope": "database/none"}, {"time_zone": "Mars/Base"}, {"keeps_all": "maybe"}, {"last": "-1"}):
        with pytest.raises(Usage):
            asked(cast.admin, "retention.set", **{"scope": "default", **wrong})
    with pytest.raises(Refused):
        asked(cast.ada, "retention.set", scope="default", last="9")  # an administrator asks for that


def test_a_rule_that_keeps_less_on_a_protected_database_needs_those_who_protect_it(cast: Cast) -> None:
    add_database("savings", "production")
    close_bootstrap()
    weaker = asked(cast.admin, "retention.set", scope="default", last="1", monthly="1")
    assert weaker.requirement["clauses"] == [{"roles": ["approvers"], "owner_groups": ["default"], "count": 1}]
    stronger = asked(cast.admin, "retention.set", scope="default", last="9")
    assert set(stronger.requirement["clauses"][0]["roles"]) == {"administrators", "approvers"}


def test_a_legal_hold_is_set_and_lifted_by_two_people_and_the_history_proves_it(shop: Database, cast: Cast) -> None:
    _, older, oldest = nightly(shop, cast, 3)
    close_bootstrap()
    waiting = asked(cast.ada, "hold.set", backup=older.pk, cause="case 12", until="2099-01-01")
    assert codes_of(cast.ada, shop, older) == "in_use"  # nobody deletes it while the request waits
    approve(cast.grace, waiting)
    assert codes_of(cast.ada, shop, older) == "on_hold"
    agreed(cast, "hold.set", database=shop.pk, cause="all of case 13")
    assert codes_of(cast.ada, shop, oldest) == "on_hold"
    told = {decision.backup: decision.sentence for decision in outlook(shop).decisions}
    assert "a legal hold until 2099-01-01 23:59 UTC: case 12; a legal hold on all backups" in told[older.pk]
    with pytest.raises(Usage):
        asked(cast.ada, "hold.set", backup=older.pk, cause="case 14", until="2001-01-01")
    for row in Hold.objects.order_by("id"):
        agreed(cast, "hold.lift", hold=row.pk)
    operations.draft("expire", shop, {"backup": str(older.pk)}, account=cast.ada)
    with pytest.raises(Refused):
        asked(cast.ada, "hold.lift", hold=Hold.objects.all()[0].pk)
    found = verification.verify(approvals=True).findings  # the backups of this test have no history; holds have one
    assert [finding for finding in found if finding.code in ("hold", "approval")] == []


def test_deleting_by_hand_refuses_what_must_stay_and_says_why(shop: Database, cast: Cast) -> None:
    newest, used, granted, pinned, safety = (*nightly(shop, cast, 4), taken(shop, cast, purpose="safety"))
    operations.request("verify", shop, {"backup": str(used.pk), "level": "V1"}, account=cast.ada)
    downloads.grant(granted, cast.ada)
    pins.pin(pinned, account=cast.ada, reason="before the audit")
    pinned.refresh_from_db()
    found = [codes_of(cast.ada, shop, row) for row in (newest, used, granted, pinned)]
    assert found == ["last_good", "in_use", "in_use", "pinned"]
    assert {use.words for use in uses.uses_of({used.pk: used.operation_id})[used.pk]} == {
        f"operation {Operation.objects.get(kind='verify').pk} (verification, queued) is about it"
    }
    operations.draft(
        "expire", shop, {"backup": str(safety.pk)}, account=cast.ada
    )  # by hand, its window is no hindrance


def test_a_backup_in_the_trash_is_refused_by_name_and_chosen_by_nobody(
    console: Console, sqlite_shop: Any, cast: Cast
) -> None:
    _, shop = sqlite_shop
    newest, older, oldest = nightly(shop, cast, 3)
    given = {"backup": str(older.pk)}
    asked_for = operations.request("expire", shop, given, account=cast.ada, confirm="shop", reason="too big")
    done = work(console, asked_for, OPSCONSOLE_FAILPOINT="expire.trashed:kill9")  # its runner dies; the row is witness
    assert done.state == State.SUCCEEDED, done.failure_why
    older.refresh_from_db()
    assert (older.trash_reason, older.trashed_by_id) == ("too big", done.pk)
    assert "in the trash until" in done.result["summary"]
    assert [codes_of(cast.ada, shop, older, kind) for kind in ("restore", "verify", "expire")] == [
        "backup_in_trash"
    ] * 3
    with pytest.raises(Refused, match="in the trash"):
        downloads.refuse(older, cast.ada)
    with pytest.raises(Refused, match="in the trash"):
        pins.pin(older, account=cast.ada, reason="keep it after all")
    offered = [value for value, _ in choices.suggestions(shop)]
    assert offered == ["latest", str(newest.pk), str(oldest.pk)]
    trash.put_back(older, "needed after all")
    assert choices.choose(shop, str(older.pk)).pk == older.pk


def test_on_a_protected_database_another_person_agrees_before_a_backup_goes_or_comes_back(cast: Cast) -> None:
    savings = add_database("savings", "production")
    _, older = nightly(savings, cast, 2)
    close_bootstrap()
    waiting = operations.request("expire", savings, {"backup": str(older.pk)}, account=cast.ada)
    assert waiting.state == State.PENDING_APPROVAL
    operations.cancel(waiting, account=cast.ada)
    trash.put_in(older, "by the rule")
    done = agreed(cast, "backup.put_back", backup=older.pk)
    older.refresh_from_db()
    assert (older.trashed_at, done.result["backup"]) == (None, older.pk)


def test_a_safety_backup_goes_once_what_it_was_taken_for_is_accepted(later: Later, shop: Database, cast: Cast) -> None:
    nightly(shop, cast, 3)
    safety = taken(shop, cast, purpose="safety")
    assert "way back" in outlook(shop).of(safety.pk).sentence
    pins.accept(safety, reason="all is well")
    passing.tick()
    safety.refresh_from_db()
    assert "was accepted" in safety.trash_reason
    with pytest.raises(Refused):
        pins.accept(safety, reason="all is well")


def test_what_a_restore_of_ours_made_live_goes_on_in_the_line_of_what_it_replaced(shop: Database, cast: Cast) -> None:
    def replaced(backup: Backup, before: str, after: str) -> None:
        facts = {"old_database": "old", "old_incarnation": before}
        kept.keep(shop, backup.operation_id, facts=facts, safety=None, live=after)

    first, second, third, strange = (taken(shop, cast, incarnation=str(number)) for number in (1, 2, 3, 9))
    replaced(first, "1", "2")
    replaced(second, "2", "3")
    lines = {candidate.id: candidate.line for candidate in candidates_of(shop)}
    assert lines[first.pk] == lines[second.pk] == lines[third.pk] != lines[strange.pk]
