"""What an operation needs now: from its kind, its targets and the policies in force. Reads rows, writes none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from django.db.models import Q

from opsconsole import kinds
from opsconsole.approvals.requirement import Clause, Requirement, strictest, strictest_of
from opsconsole.approvals.rules import Place, Verb, in_force
from opsconsole.databases import twins_of
from opsconsole.models import Database, Membership, Operation, Role
from opsconsole.plans import NO_DEMAND, Plan, Target

CHANGE = "change"  # the kind of operations that change the console itself
CHANGE_MINUTES = 24 * 60  # a request for one stays open for a day
UNNAMED = "It was asked for on a shell, where nobody is known"  # how the sentence of such a change begins
CONFIRMING = (Role.ADMINISTRATOR.value, Role.APPROVER.value)


def requirement_for(kind: kinds.Kind, targets: Iterable[Target], *, at: datetime) -> Requirement:
    """The strictest of all policies that match the kind on any of its targets, source and destination alike.

    A target answers for every registered database that is, or may be, the same one, so a second row under a milder
    label changes nothing. Without a matching policy, a gated kind needs the default policy on protected databases.
    A kind that is like another one needs the people of that one's policies too; their windows hold back only their own.
    """
    rules, places = in_force(at), places_of(targets)
    merged = strictest_of(rules.requirement(_verb(kind), place) for place in places)
    if kind.like:
        other = strictest_of(rules.requirement(_verb(kinds.get(kind.like)), place) for place in places)
        demand = other.demand if kind.demands_alike else NO_DEMAND
        merged = strictest(merged, replace(other, windows=(), demand=demand))
    return replace(merged, policy_digest=rules.digest)


def requirement_for_change(plan: Plan, *, at: datetime) -> Requirement:
    """What a change of the console needs: whatever protects what it touches, else one other person.

    The plan's evidence holds the databases whose protection it touches (`databases`; the strictest policy of any kind
    counts), what it weakens (`demands`), and the seat of the other person where neither asks for anybody (`seat`).
    Windows say when databases may be touched, so they do not hold back a change, which is done with the last vote.
    A change that nobody in particular asked for (`asked_by` says so) needs one person more than that.
    """
    rules = in_force(at)
    touched = Database.objects.filter(pk__in=plan.evidence.get("databases", ()))
    verbs = [_verb(kind) for kind in kinds.every()] + [Verb(name=CHANGE, gated=False)]
    demands = [rules.requirement(verb, place) for place in _with_twins(touched) for verb in verbs]
    general = [rule.requirement("") for rule in rules.others if rule.matches(Verb(name=CHANGE, gated=False), None)]
    weakened = Requirement.from_json(plan.evidence["demands"])
    asked = strictest_of([weakened, *demands, *general])
    seat = Requirement.from_json(plan.evidence["seat"])
    needed = replace(asked if asked.gated else seat, windows=(), policy_digest=rules.digest)
    return _for_nobody(needed, needed.votes_needed + 1) if "asked_by" in plan.evidence else needed


def requirement_of(operation: Operation, *, at: datetime) -> Requirement:
    """The larger of what was asked for when it was requested and what would be asked for now.

    So a policy that was tightened meanwhile is never undercut, and one that was loosened lowers nothing.
    """
    then = Requirement.from_json(operation.requirement)
    plan = operation.plan
    if operation.kind == CHANGE and not then.gated:
        return then
    if operation.kind == CHANGE:
        both = strictest(then, requirement_for_change(plan, at=at))
        seats = sum(clause.count for clause in both.clauses)
        return _for_nobody(both, max(both.votes_needed, seats + 1)) if "asked_by" in plan.evidence else both
    return strictest(then, requirement_for(kinds.get(operation.kind), plan.targets, at=at))


def places_of(targets: Iterable[Target]) -> list[Place]:
    """Where the targets are, by every registered name of each."""
    targets = list(targets)
    named = Q(pk__in=[target.database_id for target in targets])
    known = Q(identity__in=[target.identity for target in targets if target.identity], removed_at=None)
    return _with_twins(Database.objects.filter(named | known))


def seat_of_another(owner_groups: Sequence[str], *, besides: int | None) -> Requirement:
    """One other person who may confirm a change that concerns these owner groups.

    It is an approver or administrator of one of the groups; of any group where these have none but the requester
    (`besides`, a person's id).
    """
    holders = Membership.objects.filter(role__in=CONFIRMING, person__is_service=False).exclude(person_id=besides or 0)
    own = holders.filter(owner_group__name__in=owner_groups, person__accounts__is_active=True)
    groups = tuple(owner_groups) if own.exists() else ()
    clause = Clause(roles=CONFIRMING, owner_groups=groups)
    return Requirement(
        gated=True,
        votes_needed=1,
        clauses=(clause,),
        valid_minutes=CHANGE_MINUTES,
        sentences=(f"A change of the console needs 1 other person of {clause.words}",),
    )


def one_person_more(requirement: Requirement) -> Requirement:
    """What a run needs of a standing approval that was asked for on a shell: whoever asked may be one of them."""
    return _for_nobody(requirement, requirement.votes_needed + 1)


def _verb(kind: kinds.Kind) -> Verb:
    return Verb(name=kind.name, gated=kind.gated)


def _for_nobody(requirement: Requirement, people: int) -> Requirement:
    """So many people, one of whom may be whoever asked unseen; the seat beyond the clauses' is for any who fit one."""
    enough = "one is" if people == 2 else f"{people - 1} are"
    sentence = f"{UNNAMED}, so {people} people must agree; with OPSCONSOLE_TOKEN {enough} enough"
    others = (text for text in requirement.sentences if not text.startswith(UNNAMED))
    return replace(requirement, votes_needed=people, sentences=(*others, sentence))


def _with_twins(rows: Iterable[Database]) -> list[Place]:
    return [
        Place(
            environment=row.environment.name,
            protected=row.environment.protected,
            owner_group=row.owner_group.name,
            tags=frozenset(row.tags),
        )
        for row in twins_of(rows)
    ]
