"""`audit verify --approvals`: from the events alone, every armed operation without a valid quorum is named."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsconsole import approvals, arming, audit, operations
from opsconsole.audit.export import export
from opsconsole.audit.stamps import moment
from opsconsole.clock import now
from opsconsole.exceptions import Usage
from opsconsole.keys import public_keys
from opsconsole.models import Account, Database, Environment, Membership, Operation, OwnerGroup, Policy
from opsconsole.states import State
from opsconsole.transitions import move
from opsconsole.verify_audit import Approvals, Needs, Place, Report, verify_export
from tests.opsconsole.approvals.scenes import approve, raw_vote
from tests.opsconsole.audit.story import acting, armed, asked, ran_by_schedule
from tests.support.console import Console
from tests.support.people import Cast
from tests.support.tampering import guards_off

BEGIN = datetime(2026, 11, 2, 12, tzinfo=UTC)  # a Monday
ADA, GRACE, LINUS, ADMIN, ROBOT = 1, 2, 3, 4, 5
SEATS = {"roles": ["approvers"], "owner_groups": ["default"], "count": 1}
PRODUCTION = {"environment": "production", "protected": True, "owner_group": "default", "tags": []}
RULE = {"match": {}, "clauses": [{"role": "approvers", "count": 1}], "min_people": 1, "valid_minutes": 240,
        "windows": [], "enabled": True, "version": 1}  # fmt: skip


def needs(votes: int = 1, **more: Any) -> dict[str, Any]:
    seats = [{**SEATS, "count": votes}] if votes else []
    return {"gated": votes > 0, "votes_needed": votes, "clauses": seats, "valid_minutes": 240, "windows": [], **more}


class Log:
    """A history told event by event, a minute after another; `found` is what counting again finds."""

    def __init__(self) -> None:
        self.report = Report()
        self.replay = Approvals(self.report)
        self.seq, self.at = 0, BEGIN
        self.tell("console.started", kinds={"restore": True, "backup": False})
        self.tell("policy.shipped", name="default", **RULE)
        self.tell("environment.shipped", object="production", protected=True)
        self.tell("environment.shipped", object="testing", protected=False)
        for person, role in ((ADA, "engineers"), (GRACE, "approvers"), (LINUS, "approvers"), (ADMIN, "administrators")):
            self.tell("person.added", person=person, account=person * 10, login="p", email="p@example.test")
            self.role(person, role)
        self.tell("person.added", person=ROBOT, account=ROBOT * 10, login="robot", email="robot@example.test",
                  service=True, owner=ADA)  # fmt: skip
        self.database(1, "production")
        self.database(2, "testing")
        self.tell("bootstrap.closed")

    def tell(self, type: str, *, operation: int | None = None, minutes: float = 1, actor: int | None = None,
             kind: str = "", object: str = "", database: int | None = None, **data: Any) -> int:  # fmt: skip
        self.seq += 1
        self.at += timedelta(minutes=minutes)
        self.replay.see(self.seq, {
            "type": type, "at": moment(self.at), "data": data,
            "subject": {
                "operation": operation, "kind": kind, "object": object, "database": database, "name": f"db{database}",
            },
            "actor": {"person": actor, "account": actor * 10 if actor else None},
        })  # fmt: skip
        return self.seq

    def role(self, person: int, role: str, counts: float = 0, **more: Any) -> None:
        from_then = (self.at + timedelta(hours=counts)).isoformat()
        self.tell("membership.added", person=person, role=role, owner_group="default", counts_from=from_then, **more)

    def database(self, number: int, environment: str, **more: Any) -> None:
        facts = {"environment": environment, "owner_group": "default", "tags": [], "identity": f"db {number}"}
        self.tell("database.added", database=number, **{**facts, **more})

    def plan(self, number: int = 1, database: int = 1, asker: int = ADA, kind: str = "restore", **more: Any) -> None:
        place = PRODUCTION if database == 1 else {**PRODUCTION, "environment": "testing", "protected": False}
        told = {
            "digest": f"plan {number}", "requirement": needs(1 if database == 1 else 0), "askers": [asker],
            "targets": [{"database": database, "identity": f"db {database}", "role": "target"}], "places": [place],
            "mutates": True, "repeatable": False, "kind_gated": True,
        }  # fmt: skip
        self.tell("op.planned", operation=number, kind=kind, actor=asker, **{**told, **more})

    def change(self, number: int, action: str, *, votes: int = 1, askers: tuple[int, ...] = (ADMIN,),
               roles: tuple[str, ...] = ("administrators", "approvers"), **more: Any) -> None:  # fmt: skip
        clause = {"roles": list(roles), "owner_groups": [], "count": 1}
        told = {
            "digest": f"plan {number}", "requirement": {**needs(votes), "clauses": [clause] if votes else []},
            "askers": list(askers), "targets": [], "action": action, "free_at_first": True, "touches": [], **more,
        }  # fmt: skip
        self.tell("op.planned", operation=number, kind="change", **told)

    def vote(self, person: int, number: int = 1, decision: str = "approve", **more: Any) -> int:
        told = {"decision": decision, "digest": f"plan {number}", "person": person, "account": person * 10, **more}
        return self.tell("op.voted", operation=number, actor=person, **told)

    def arm(self, number: int = 1, **more: Any) -> int:
        return self.tell("op.armed", operation=number, **{"digest": f"plan {number}", **more})

    def schedule(self, number: int = 7, *, voters: tuple[int, ...] = (GRACE,), askers: tuple[int, ...] = (ADA,),
                 version: int = 1, enabled: bool = True, **more: Any) -> None:  # fmt: skip
        """A confirmed change sets the schedule `scrubs`, whose runs on database 1 are approved with it."""
        place = {"database": 1, "name": "db1", "identity": "db 1", **PRODUCTION}
        template = {"schedule": "scrubs", "version": version, "kind": "restore",
                    "parameters": {"mode": "swap", "from": ""}, "databases": [place],
                    "policies": "sha256:0", "days": 90, "varies": [], **more}  # fmt: skip
        self.change(number, "schedule.set", askers=askers, votes=len(voters), roles=("approvers",))
        for person in voters:
            self.vote(person, number)
        self.arm(number)
        self.tell(
            "schedule.changed", operation=number, name="scrubs", version=version, enabled=enabled, template=template
        )
        self.tell("op.succeeded", operation=number, to="succeeded")

    def run(self, number: int = 20, *, standing: int | None = 7, armed: bool = True, **more: Any) -> None:
        """A run of it, on the approval that operation 7 gave once."""
        given = self.replay._given.get(7)
        template = given.digest if given and given.template else "sha256:0"
        told = {"standing": standing, "slot": "2026-11-02T12:30:00+00:00", "template": template, "costs": False,
                "parameters": {"mode": "swap", "from": "12"}}  # fmt: skip
        self.plan(number, **{**told, **more})
        if armed:
            self.arm(number)

    @property
    def found(self) -> list[str]:
        self.replay.finish()
        assert {finding.code for finding in self.report.findings} <= {"approval"}
        return [f"{finding.where}: {finding.why}" for finding in self.report.findings]


# -- sound ones -------------------------------------------------------------------------------------------------------


def two_of_two(log: Log) -> None:
    log.plan(requirement=needs(2))
    log.vote(GRACE)
    log.vote(LINUS)
    log.arm()


def withdrawn_and_given_again(log: Log) -> None:
    log.plan()
    log.vote(GRACE)
    log.vote(GRACE, decision="withdraw")
    log.vote(GRACE)
    log.arm()


def own_request_on_an_unprotected_one(log: Log) -> None:
    log.plan(database=2)
    log.tell("op.self_confirmed", operation=1, actor=ADA)
    log.arm()


def own_password_changed_after_the_vote(log: Log) -> None:
    log.plan()
    log.vote(GRACE)
    log.tell("auth.password_changed", how="self", account=GRACE * 10)
    log.arm()


def undo_under_a_rule_for_restores(log: Log) -> None:
    strict(log, windows=[{"days": [6], "from": "00:00", "to": "00:01"}])
    log.plan(kind="undo", kind_like="restore", requirement=needs(2))
    log.vote(GRACE)
    log.vote(LINUS)
    log.arm()


def rule_that_begins_later(log: Log) -> None:
    log.plan()
    log.vote(GRACE)
    strict(log, effective_at=(log.at + timedelta(hours=24)).isoformat())
    log.arm()


def backup_that_is_tried_again(log: Log) -> None:
    log.plan(requirement=needs(0), places=[], targets=[], mutates=False, repeatable=True, kind_gated=False)
    log.arm()
    log.arm()


def change_that_was_confirmed(log: Log) -> None:
    log.change(7, "membership.add")
    log.vote(GRACE, 7)
    log.arm(7)
    log.role(ADA, "approvers", operation=7)
    log.tell("op.succeeded", operation=7, to="succeeded")


def runs_of_a_schedule_that_was_approved_once(log: Log) -> None:
    log.schedule()
    log.run(20)
    log.tell("op.succeeded", operation=20, to="succeeded")
    log.run(21, slot="2026-11-03T12:30:00+00:00")


def run_of_a_schedule_that_was_approved_anew(log: Log) -> None:
    log.schedule()
    log.vote(GRACE, 7, decision="withdraw")
    log.schedule(9, version=2)
    log.run(20, standing=9, template=log.replay._given[9].digest)


SOUND = [two_of_two, runs_of_a_schedule_that_was_approved_once, run_of_a_schedule_that_was_approved_anew,
         undo_under_a_rule_for_restores, withdrawn_and_given_again, own_request_on_an_unprotected_one,
         own_password_changed_after_the_vote, rule_that_begins_later,
         backup_that_is_tried_again, change_that_was_confirmed]  # fmt: skip


@pytest.mark.parametrize("scene", SOUND, ids=lambda scene: scene.__name__)
def test_a_valid_quorum_is_accepted(scene: Callable[[Log], None]) -> None:
    log = Log()
    scene(log)
    assert log.found == []
    assert log.report.exit_code == 0


# -- and those that are not -------------------------------------------------------------------------------------------


def strict(log: Log, **more: Any) -> None:
    """A confirmed change puts a policy in force that asks for two."""
    log.change(8, "policy.set")
    log.vote(GRACE, 8)
    log.arm(8)
    rule = {**RULE, "match": {"kinds": ["restore"]}, "clauses": [{"role": "approvers", "count": 2}]}
    data = {"name": "strict", "effective_at": log.at.isoformat(), **rule, **more}
    log.tell("policy.changed", operation=8, **data)
    log.tell("op.succeeded", operation=8, to="succeeded")


def nobody_voted(log: Log) -> None:
    log.plan()
    log.arm()


def fewer_voted_for_an_undo_than_must_for_a_restore(log: Log) -> None:
    strict(log)
    log.plan(kind="undo", kind_like="restore")
    log.vote(GRACE)
    log.arm()


def the_requester_voted(log: Log) -> None:
    log.plan(asker=GRACE)
    log.vote(GRACE)
    log.arm()


def the_owner_of_the_asking_service_voted(log: Log) -> None:
    log.plan(askers=[GRACE, ROBOT])
    log.vote(GRACE)
    log.arm()


def a_service_voted(log: Log) -> None:
    log.plan()
    log.vote(ROBOT)
    log.arm()


def one_person_took_two_seats(log: Log) -> None:
    log.plan(requirement=needs(2))
    log.vote(GRACE)
    log.vote(GRACE, account=99)
    log.arm()


def the_login_was_somebody_elses(log: Log) -> None:
    log.plan()
    log.vote(GRACE, account=LINUS * 10)
    log.arm()


def the_vote_was_on_another_plan(log: Log) -> None:
    log.plan()
    log.vote(GRACE, digest="plan 99")
    log.arm()


def another_plan_was_armed(log: Log) -> None:
    log.plan()
    log.vote(GRACE)
    log.arm(digest="plan 99")


def somebody_rejected_it(log: Log) -> None:
    log.plan()
    log.vote(LINUS, decision="veto")
    log.vote(GRACE)
    log.arm()


def the_vote_was_withdrawn(log: Log) -> None:
    log.plan()
    log.vote(GRACE)
    log.vote(GRACE, decision="withdraw")
    log.arm()


def it_was_too_old(log: Log) -> None:
    log.plan()
    log.vote(GRACE)
    log.tell("op.queued", operation=1, to="queued", minutes=300)
    log.arm()


def the_voter_had_no_role(log: Log) -> None:
    log.plan()
    log.vote(ADMIN)
    log.arm()


def the_role_was_taken_away(log: Log) -> None:
    log.plan()
    log.vote(GRACE)
    log.change(7, "membership.remove")
    log.vote(LINUS, 7)
    log.arm(7)
    log.tell("membership.removed", operation=7, person=GRACE, role="approvers", owner_group="default")
    log.tell("op.succeeded", operation=7, to="succeeded")
    log.arm()


def the_role_was_too_new(log: Log) -> None:
    log.change(7, "membership.add")
    log.vote(GRACE, 7)
    log.arm(7)
    log.role(ADMIN, "approvers", counts=24, operation=7)
    log.tell("op.succeeded", operation=7, to="succeeded")
    log.plan()
    log.vote(ADMIN)
    log.arm()


def the_login_was_switched_off(log: Log) -> None:
    log.plan()
    log.vote(GRACE)
    log.change(7, "account.deactivate")
    log.vote(LINUS, 7)
    log.arm(7)
    log.tell("account.deactivated", operation=7, account=GRACE * 10, person=GRACE)
    log.tell("op.succeeded", operation=7, to="succeeded")
    log.arm()


def the_password_was_reset_after_the_vote(log: Log) -> None:
    log.plan()
    log.vote(GRACE)
    log.change(7, "account.reset_password")
    log.vote(LINUS, 7)
    log.arm(7)
    log.tell("account.password_reset", operation=7, account=GRACE * 10, person=GRACE)
    log.tell("op.succeeded", operation=7, to="succeeded")
    log.arm()


def a_stricter_policy_was_in_force(log: Log) -> None:
    log.plan()
    log.vote(GRACE)
    strict(log)
    log.arm()


def the_database_was_told_to_be_milder(log: Log) -> None:
    log.plan(database=1, requirement=needs(0), places=[{**PRODUCTION, "protected": False}])
    log.tell("op.self_confirmed", operation=1, actor=ADA)
    log.arm()


def another_name_of_it_is_protected(log: Log) -> None:
    log.change(7, "database.add")
    log.vote(GRACE, 7)
    log.arm(7)
    log.database(3, "production", identity="db 2", operation=7)
    log.tell("op.succeeded", operation=7, to="succeeded")
    own_request_on_an_unprotected_one(log)


def nobody_confirmed(log: Log) -> None:
    log.plan(database=2)
    log.arm()


def somebody_else_confirmed(log: Log) -> None:
    log.plan(database=2)
    log.tell("op.self_confirmed", operation=1, actor=LINUS)
    log.arm()


def the_window_was_closed(log: Log) -> None:
    log.plan(requirement=needs(1, windows=[[{"days": [5, 6], "from": "22:00", "to": "04:00"}]]))
    log.vote(GRACE)
    log.arm()


def one_approval_armed_it_twice(log: Log) -> None:
    log.plan()
    log.vote(GRACE)
    log.arm()
    log.arm()


def it_is_unknown(log: Log) -> None:
    log.arm(99)


def it_had_ended(log: Log) -> None:
    log.plan()
    log.vote(GRACE)
    log.tell("op.cancelled", operation=1, to="cancelled")
    log.arm()


def it_succeeded_unarmed(log: Log) -> None:
    log.plan()
    log.vote(GRACE)
    log.tell("op.succeeded", operation=1, to="succeeded")


def a_role_was_given_past_a_change(log: Log) -> None:
    log.role(ADA, "approvers")


def a_policy_was_set_in_another_change(log: Log) -> None:
    log.change(7, "membership.add")
    log.vote(GRACE, 7)
    log.arm(7)
    log.tell("policy.changed", operation=7, name="loose", effective_at=log.at.isoformat(), **RULE)


def a_change_asked_nobody(log: Log) -> None:
    log.change(7, "policy.set", votes=0)
    log.arm(7)


def a_change_of_nobody_needs_two(log: Log) -> None:
    log.change(7, "policy.set", askers=())
    log.vote(GRACE, 7)
    log.arm(7)


def engineers_confirmed_a_change(log: Log) -> None:
    log.change(7, "policy.set", roles=("engineers",))
    log.vote(ADA, 7)
    log.arm(7)


def a_protected_database_was_moved_without_its_guardians(log: Log) -> None:
    log.change(7, "database.edit")
    log.vote(GRACE, 7)
    log.arm(7)
    log.tell("database.changed", operation=7, database=1, old={"environment": "production"},
             new={"environment": "testing"})  # fmt: skip


def its_guardians_asked_for_two(log: Log) -> None:
    strict(log)
    log.change(7, "database.edit", touches=[1])
    log.vote(GRACE, 7)
    log.arm(7)


# -- on an approval that stands for the runs of a schedule


def no_schedule_stands_behind_it(log: Log) -> None:
    log.run()


def a_schedule_without_a_template_stands_behind_it(log: Log) -> None:
    log.change(7, "schedule.set")
    log.vote(GRACE, 7)
    log.arm(7)
    log.tell("schedule.changed", operation=7, name="scrubs", version=1, enabled=True, template={})
    log.tell("op.succeeded", operation=7, to="succeeded")
    log.run()


def the_schedule_was_changed_by_nobody(log: Log) -> None:
    log.tell("schedule.changed", operation=7, name="scrubs", version=1, enabled=True, template={"days": 90})


def nobody_confirmed_the_schedule(log: Log) -> None:
    log.schedule(voters=())
    log.run()


def whoever_asked_for_the_schedule_approved_it(log: Log) -> None:
    log.schedule(askers=(GRACE,))
    log.run()


def the_schedule_was_asked_for_on_a_shell(log: Log) -> None:
    log.schedule(askers=())
    log.run(askers=[])


def the_standing_approval_was_taken_back(log: Log) -> None:
    log.schedule()
    log.vote(GRACE, 7, decision="withdraw")
    log.run()


def it_was_given_after_the_schedule_was_set(log: Log) -> None:
    log.schedule()
    log.vote(LINUS, 7)


def the_schedule_was_changed_since(log: Log) -> None:
    log.schedule()
    log.schedule(9, version=2)
    log.run()


def the_schedule_was_switched_off(log: Log) -> None:
    log.schedule()
    log.schedule(9, version=2, enabled=False)
    log.run()


def the_standing_approval_ran_out(log: Log) -> None:
    log.schedule()
    log.tell("auth.login", minutes=91 * 24 * 60)
    log.run()


def its_template_lets_it_stand_for_ever(log: Log) -> None:
    log.schedule(days=10_000)
    log.tell("auth.login", minutes=367 * 24 * 60)
    log.run()


def a_policy_came_after_the_schedule(log: Log) -> None:
    log.schedule()
    strict(log, match={"kinds": ["backup"]})
    log.run()


def the_template_is_another_one(log: Log) -> None:
    log.schedule()
    log.run(template="sha256:another")


def another_kind_ran(log: Log) -> None:
    log.schedule()
    log.run(kind="undo")


def it_had_other_settings(log: Log) -> None:
    log.schedule()
    log.run(parameters={"mode": "inplace", "from": "12"})


def it_cost_rows(log: Log) -> None:
    log.schedule()
    log.run(costs=True)


def it_went_to_another_database(log: Log) -> None:
    log.schedule()
    log.change(8, "database.add")
    log.vote(GRACE, 8)
    log.arm(8)
    log.database(3, "production", operation=8)
    log.tell("op.succeeded", operation=8, to="succeeded")
    log.run(targets=[{"database": 3, "identity": "db 3", "role": "target"}])


def the_database_became_another(log: Log) -> None:
    log.schedule()
    log.run(targets=[{"database": 1, "identity": "db 99", "role": "target"}])


def the_database_was_tagged_since(log: Log) -> None:
    log.schedule()
    log.change(8, "database.edit", touches=[1], roles=("approvers",))
    log.vote(GRACE, 8)
    log.arm(8)
    log.tell("database.changed", operation=8, database=1, old={"tags": []}, new={"tags": ["pci"]})
    log.tell("op.succeeded", operation=8, to="succeeded")
    log.run()


def it_ran_twice_for_one_time(log: Log) -> None:
    log.schedule()
    log.run(20)
    log.tell("op.succeeded", operation=20, to="succeeded")
    log.run(21)


def the_role_was_taken_away_and_given_back(log: Log) -> None:
    log.schedule()
    for number, action, type in ((8, "membership.remove", "removed"), (9, "membership.add", "added")):
        log.change(number, action)
        log.vote(LINUS, number)
        log.arm(number)
        told = {"person": GRACE, "role": "approvers", "owner_group": "default", "counts_from": log.at.isoformat()}
        log.tell(f"membership.{type}", operation=number, **told)
        log.tell("op.succeeded", operation=number, to="succeeded")
    log.run()


def two_must_agree_and_one_had(log: Log) -> None:
    strict(log)
    log.schedule()
    log.run(requirement=needs(2))


UNSOUND: dict[Callable[[Log], None], str] = {
    nobody_voted: "1 of 1 other people (1 of approvers of default) within 240 min are missing",
    fewer_voted_for_an_undo_than_must_for_a_restore: "policies asked for 2 other people",
    the_requester_voted: "the vote at seq 18 does not count: person 2 asked for it",
    the_owner_of_the_asking_service_voted: "person 2 asked for it",
    a_service_voted: "person 5 is a service",
    one_person_took_two_seats: "the votes at seq 18 and 19 are of one person",
    the_login_was_somebody_elses: "the login 30 is of person 3, not of person 2",
    the_vote_was_on_another_plan: "the vote at seq 18 was cast on another plan",
    another_plan_was_armed: "it was armed on another plan than the one that was asked for",
    somebody_rejected_it: "the vote at seq 18 rejected it",
    the_vote_was_withdrawn: "1 of 1 other people",
    it_was_too_old: "it was armed more than 240 min after it was asked for",
    the_voter_had_no_role: "person 4 held none of the roles when it was armed",
    the_role_was_taken_away: "person 2 held none of the roles when it was armed",
    the_role_was_too_new: "person 4 held none of the roles when it was armed",
    the_login_was_switched_off: "the login 20 was switched off",
    the_password_was_reset_after_the_vote: "somebody else set the password of the login 20 after the vote",
    a_stricter_policy_was_in_force: "policies asked for 2 other people",
    the_database_was_told_to_be_milder: "policies asked for 1 other people (1 of approvers of default)",
    another_name_of_it_is_protected: "policies asked for 1 other people",
    nobody_confirmed: "nobody confirmed it",
    somebody_else_confirmed: "nobody confirmed it",
    the_window_was_closed: "no window was open",
    one_approval_armed_it_twice: "one approval armed it twice",
    it_is_unknown: "operation 99, armed at seq 17: the history does not know this operation, or it had ended",
    it_had_ended: "the history does not know this operation, or it had ended",
    it_succeeded_unarmed: "operation 1, seq 19: It succeeded, and was never armed",
    a_role_was_given_past_a_change: "seq 17: membership.added: no armed change stands behind it",
    a_policy_was_set_in_another_change: "operation 7, in which it was done, is a change membership.add",
    a_change_asked_nobody: "a change needs 1 other people",
    a_change_of_nobody_needs_two: "a change needs 2 other people",
    engineers_confirmed_a_change: "a change needs 1 other people who confirm changes",
    a_protected_database_was_moved_without_its_guardians: "did not ask those who guard the databases that it touches",
    no_schedule_stands_behind_it: "no schedule was approved once by operation 7",
    a_schedule_without_a_template_stands_behind_it: "no schedule was approved once by operation 7",
    the_schedule_was_changed_by_nobody: "schedule.changed: no armed change stands behind it",
    nobody_confirmed_the_schedule: "1 of 1 other people (1 of approvers of default) within 240 min are missing",
    whoever_asked_for_the_schedule_approved_it: "person 2 asked for it",
    the_schedule_was_asked_for_on_a_shell: "policies asked for 2 other people",
    the_standing_approval_was_taken_back: "1 of 1 other people",
    it_was_given_after_the_schedule_was_set: "op.voted: the history does not know this operation, or it had ended",
    the_schedule_was_changed_since: "the schedule scrubs had been changed or switched off",
    the_schedule_was_switched_off: "the schedule scrubs had been changed or switched off",
    the_standing_approval_ran_out: "the approval of the schedule scrubs had run out on 2027-01-31",
    its_template_lets_it_stand_for_ever: "the approval of the schedule scrubs had run out",
    a_policy_came_after_the_schedule: "policies had changed since the schedule was approved",
    the_template_is_another_one: "the template that was approved is another one",
    another_kind_ran: "a restore was approved, and no undo",
    it_had_other_settings: "its mode is not what was approved",
    it_cost_rows: "it would cost what nobody had approved",
    it_went_to_another_database: "database 3 is not as it was approved",
    the_database_became_another: "database 1 is not as it was approved",
    the_database_was_tagged_since: "database 1 is not as it was approved",
    it_ran_twice_for_one_time: "the schedule scrubs had a run of that time already",
    the_role_was_taken_away_and_given_back: "the role of person 2 did not count yet",
    two_must_agree_and_one_had: "1 of 2 other people",
    its_guardians_asked_for_two: "policies asked for 2 other people",
}


@pytest.mark.parametrize("scene", UNSOUND, ids=lambda scene: scene.__name__)
def test_an_operation_without_a_valid_quorum_is_named(scene: Callable[[Log], None]) -> None:
    log = Log()
    assert log.seq == 16
    scene(log)
    assert any(UNSOUND[scene] in found for found in log.found), log.found
    assert log.report.exit_code == 1


def test_a_role_that_begins_to_count_between_vote_and_arming_does_not_save_the_vote() -> None:
    log = Log()
    log.change(7, "membership.add")
    log.vote(GRACE, 7)
    log.arm(7)
    log.role(ADMIN, "approvers", counts=0.1, operation=7)
    log.plan()
    seq = log.vote(ADMIN)
    log.tell("op.queued", operation=1, to="queued", minutes=10)
    log.arm()
    assert f"the vote at seq {seq} does not count: the role of person 4 did not count yet" in log.found[0]


def test_what_an_older_console_told_is_not_proven_rather_than_sound() -> None:
    log = Log()
    log.tell("op.planned", operation=1, kind="restore", actor=ADA, digest="plan 1", gated=True, votes_needed=1)
    log.vote(GRACE)
    log.arm()
    assert log.found == []
    assert log.report.exit_code == 2
    assert "1 armed operations, the first operation 1" in log.report.unproven[0]


@pytest.mark.parametrize("data", [{}, {"requirement": 3, "askers": []}, {"requirement": {}, "askers": [], "digest": 1}])
def test_events_that_make_no_sense_are_told(data: dict[str, Any]) -> None:
    log = Log()
    log.tell("op.planned", operation=1, kind="restore", **data)
    log.arm()
    log.tell("membership.removed", person=9, role="approvers", owner_group="nowhere")
    log.tell("op.voted", operation=1)
    assert log.found != [] or log.report.unproven
    assert log.report.exit_code in (1, 2)


# -- the same rules as the console's own ------------------------------------------------------------------------------


def test_both_ask_for_the_same_whatever_the_policies() -> None:
    """The console and the verifier each work out what policies ask for; random policies must not tell them apart."""
    chance = random.Random(3)
    for _ in range(300):
        rows = [random_policy(chance, number) for number in range(chance.randint(0, 4))]
        default = Policy(name="default", version=1, title="", match={}, clauses=[{"role": "approvers", "count": 1}])
        place = approvals.Place(
            environment=chance.choice(["production", "testing"]), protected=chance.random() < 0.5,
            owner_group=chance.choice(["default", "other"]),
            tags=frozenset(chance.sample(["a", "b"], chance.randint(0, 2))),
        )  # fmt: skip
        verb = approvals.Verb(name=chance.choice(["restore", "backup"]), gated=chance.random() < 0.5)
        expected = Needs.told(approvals.rule_set([default, *rows]).requirement(verb, place).as_told())
        replay = Approvals(Report())
        for row in (default, *rows):
            told = {name: getattr(row, name) for name in RULE} | {"name": row.name}
            replay._on_policy_shipped(BEGIN, told, {})
        found = replay._rules_on(verb.name, verb.gated, Place.told(place.as_told()), BEGIN)
        assert (found.covers(expected), expected.covers(found)) == (True, True), (rows, verb, place)
        assert sorted(found.chairs) == sorted(expected.chairs)


def random_policy(chance: random.Random, number: int) -> Policy:
    some = {"kinds": ["restore", "backup"], "environments": ["production", "testing"], "tags": ["a", "b"]}
    match = {key: chance.sample(values, 1) for key, values in some.items() if chance.random() < 0.4}
    roles = chance.sample(["approvers", "administrators"], chance.randint(1, 2))
    windows = [{"days": [5, 6], "from": "22:00", "to": "04:00"}] if chance.random() < 0.3 else []
    return Policy(
        name=f"p{number}", version=1, title="", match=match, min_people=chance.randint(1, 3), windows=windows,
        clauses=[{"role": role, "count": chance.randint(1, 2)} for role in roles], enabled=chance.random() < 0.9,
        valid_minutes=chance.choice([60, 240]),
    )  # fmt: skip


# -- with the console itself ------------------------------------------------------------------------------------------


def counted(console: Console) -> list[str]:
    """What the tables give, and the same from an export by itself."""
    there = audit.verify(approvals=True)
    assert there.operations == Operation.objects.count()
    text = "".join(export("jsonl")).encode()
    here = verify_export(lambda: io.BytesIO(text), public_keys(console.home, "audit").values(), approvals=True)
    assert [str(finding) for finding in here.findings] == [str(finding) for finding in there.findings]
    assert (here.unproven, there.unproven) == ([], [])
    return [finding.why for finding in there.findings]


def test_a_consoles_own_history_is_sound(office: Cast, console: Console) -> None:
    one = asked(office.ada, "savings")
    assert acting(office.grace, lambda: approve(office.grace, one)).state == "queued"
    armed(one)
    armed(asked(office.ada, "sandbox"), fence=8)
    ran_by_schedule(office)
    wanted = {"login": "ada", "role": "approvers", "owner_group": "default"}
    change = acting(
        office.admin,
        lambda: operations.request_change("membership.add", wanted, account=office.admin, reason="it is wanted"),
    )
    assert acting(office.linus, lambda: approve(office.linus, change)).state == "succeeded"
    assert counted(console) == []


def test_a_quorum_that_somebody_forged_in_the_tables_is_found(
    office: Cast, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ada has the database and every process, but not the past: her own vote, rows and events alike, is told."""
    one = asked(office.ada, "savings")
    with guards_off():
        vote = raw_vote(one, office.ada)
        facts = {"decision": "approve", "digest": one.digest, "person": vote.person_id, "account": vote.account_id}
        acting(office.ada, lambda: audit.record("op.voted", operation=one, data=facts))
        move(one, State.QUEUED)
        move(one, State.RUNNING, fence=7)
        monkeypatch.setattr(arming, "_approval", lambda row: {"votes": [vote.pk], "people": [vote.person_id]})
        arming.arm(one.pk, 7, {})
    assert counted(console)[0].startswith("1 of 1 other people (1 of approvers of default) within 240 min are missing")
    assert f"person {vote.person_id} asked for it" in counted(console)[0]


def give_a_role(cast: Cast) -> None:
    Membership.objects.create(
        person=cast.ada.person, role="approvers", owner_group=OwnerGroup.objects.get(), counts_from=now()
    )


def take_a_role(cast: Cast) -> None:
    Membership.objects.filter(person=cast.grace.person).delete()


def count_a_role_earlier(cast: Cast) -> None:
    Membership.objects.filter(person=cast.grace.person).update(counts_from=now() - timedelta(days=9))


def hand_a_login_over(cast: Cast) -> None:
    Account.objects.filter(pk=cast.ada.pk).update(person=cast.grace.person)


def switch_a_login_on(cast: Cast) -> None:
    Account.objects.filter(pk=cast.ada.pk).update(is_active=False)


def slip_a_login_in(cast: Cast) -> None:
    Account.objects.create(username="second", person=cast.grace.person)


def unprotect(cast: Cast) -> None:
    Environment.objects.filter(name="production").update(protected=False)


def move_a_database(cast: Cast) -> None:
    Database.objects.filter(name="savings").update(environment=Environment.objects.get(name="development"))


DIRECT = {give_a_role: "role", take_a_role: "role", count_a_role_earlier: "role", hand_a_login_over: "login",
          switch_a_login_on: "login", slip_a_login_in: "login", unprotect: "environment",
          move_a_database: "database"}  # fmt: skip


@pytest.mark.parametrize("edit", DIRECT, ids=lambda edit: edit.__name__)
def test_a_row_that_was_edited_directly_is_found(office: Cast, edit: Callable[[Cast], None]) -> None:
    with guards_off():
        edit(office)
    report = audit.verify(approvals=True)
    assert [finding.code for finding in report.findings] == [DIRECT[edit]]


def test_votes_are_counted_again_from_the_first_event_only(office: Cast) -> None:
    with pytest.raises(Usage):
        audit.verify(from_seq=2, approvals=True)


def test_the_command_counts_votes_again(office: Cast, console: Console, tmp_path: Path) -> None:
    audit.record("op.armed", operation=asked(office.ada, "savings"), data={"digest": "x"})
    audit.checkpoint(force=True)
    done = console.run("audit", "verify", "--approvals")
    assert done.returncode == 1
    assert b"approval   operation" in done.stdout
    assert console.run("audit", "verify", "--approvals", "--from", "2").returncode == 3
