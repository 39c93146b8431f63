"""Who may vote, and which votes count: reasons in words. Reads rows, writes none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from opsconsole.approvals.asking import requirement_of
from opsconsole.approvals.requirement import Clause, Requirement
from opsconsole.clock import now
from opsconsole.exceptions import Refused
from opsconsole.models import Account, CredentialSeal, Membership, Operation, Person, Vote
from opsconsole.people import credential_ok, fingerprint
from opsconsole.states import State

Held = frozenset[tuple[str, str]]  # (role, owner group) pairs of one person


def may_vote(account: Account, operation: Operation) -> list[Refused]:
    """Why the account may not decide on the operation now; empty when it may."""
    at = now()
    if operation.state != State.PENDING_APPROVAL:
        return [
            Refused("not_waiting", f"Operation {operation.id} is {operation.face.word}: there is nothing to decide.")
        ]
    requirement = requirement_of(operation, at=at)
    refusals = barriers(account, operation, requirement, at=at)
    deadline = deadline_of(operation, requirement)
    if deadline is not None and at >= deadline:
        refusals.append(
            Refused("expired", "The time to decide is over.", "Ask for it again; it will be planned afresh.")
        )
    mine = Vote.objects.filter(operation=operation, digest=operation.digest, person_id=account.person_id).last()
    if mine and mine.decision == Vote.Decision.APPROVE and not doubts(mine, operation, requirement, at=at):
        refusals.append(
            Refused("already_voted", "You have approved this already.", "Withdraw it if you changed your mind.")
        )
    return refusals


def barriers(account: Account, operation: Operation, requirement: Requirement, *, at: datetime) -> list[Refused]:
    """What keeps a vote of this account from counting, whenever it was cast."""
    person = account.person
    found = []
    if not account.is_active:
        found.append(Refused("inactive", f"The account {account.username} is deactivated."))
    if person.is_service:
        found.append(Refused("service", f"{person.name} is a service; services ask, they never vote."))
    if person.id in askers(operation):
        found.append(
            Refused(
                "own_request", "Nobody decides on their own request, with none of their accounts.", "Ask a colleague."
            )
        )
    if account.must_change_password:
        found.append(
            Refused("password_not_own", "Its one-time password must be changed first.", "Set a password of your own.")
        )
    if not credential_ok(account):
        found.append(
            Refused(
                "credential_unsealed",
                f"The password of {account.username} was set by nobody who was confirmed, so its votes do not count.",
                "Ask an administrator to request a password reset, which a second person confirms.",
            )
        )
    return found + _without_seat(person, requirement, at)


def doubts(vote: Vote, operation: Operation, requirement: Requirement, *, at: datetime) -> list[str]:
    """Why this vote does not count now, in words."""
    found = [refusal.why for refusal in barriers(vote.account, operation, requirement, at=at)]
    if vote.digest != operation.digest:
        found.append("It was cast on another plan.")
    if vote.person_id != vote.account.person_id:
        found.append("The account now belongs to somebody else than when it voted.")
    if not _still_own(vote):
        found.append("The password was reset by somebody else after the vote.")
    if not fits_any(roles_by_person([vote.person_id], at=vote.at)[vote.person_id], requirement.clauses):
        found.append("The role that lets it count is younger than the vote.")
    return found


def deadline_of(operation: Operation, requirement: Requirement) -> datetime | None:
    """When the request and its votes lapse; None when nobody was asked and nothing was confirmed."""
    ends = [operation.expires_at] if operation.expires_at else []
    if requirement.gated:
        asked = operation.submitted_at or operation.created_at
        ends.append(asked + timedelta(minutes=requirement.valid_minutes))
    return min(ends, default=None)


def roles_by_person(people: Iterable[int], *, at: datetime) -> dict[int, Held]:
    """The (role, owner group) pairs of each person that count at that time."""
    people = list(people)
    rows = Membership.objects.filter(person_id__in=people, counts_from__lte=at)
    held: dict[int, set[tuple[str, str]]] = {person: set() for person in people}
    for person, role, group in rows.values_list("person_id", "role", "owner_group__name"):
        held[person].add((role, group))
    return {person: frozenset(pairs) for person, pairs in held.items()}


def fits(held: Held, clause: Clause) -> bool:
    """Whether one of these roles is one that the clause asks for."""
    return any(
        role in clause.roles and (not clause.owner_groups or group in clause.owner_groups) for role, group in held
    )


def fits_any(held: Held, clauses: Iterable[Clause]) -> bool:
    return any(fits(held, clause) for clause in clauses)


def is_asked(held: Held, requirement: Mapping[str, Any]) -> bool:
    """Whether one of these roles is one that a stored requirement (`Requirement.as_json`) asks for."""
    clauses = requirement.get("clauses", ())
    return fits_any(held, (Clause(roles=tuple(c["roles"]), owner_groups=tuple(c["owner_groups"])) for c in clauses))


def who_may(operation: Operation, requirement: Requirement, *, at: datetime) -> list[Person]:
    """The people with a usable account who could fill a seat, by name."""
    accounts = Account.objects.filter(is_active=True, person__memberships__isnull=False).select_related("person")
    able = {
        account.person_id: account.person
        for account in accounts.distinct()
        if not barriers(account, operation, requirement, at=at)
    }
    return sorted(able.values(), key=lambda person: person.name)


def _without_seat(person: Person, requirement: Requirement, at: datetime) -> list[Refused]:
    if not requirement.gated or fits_any(roles_by_person([person.id], at=at)[person.id], requirement.clauses):
        return []
    wanted = " or ".join(dict.fromkeys(clause.words for clause in requirement.clauses))
    later = Membership.objects.filter(person=person, counts_from__gt=at).order_by("counts_from")
    for membership in later.select_related("owner_group"):
        if fits_any(frozenset({(membership.role, membership.owner_group.name)}), requirement.clauses):
            when = f"{membership.counts_from:%d %B at %H:%M} UTC"
            return [
                Refused(
                    "role_too_new",
                    f"{person.name}'s role is new; its votes count from {when} on.",
                    "Wait, or ask another approver.",
                )
            ]
    return [
        Refused("no_seat", f"This needs {wanted}, and {person.name} is neither.", "Ask somebody who holds that role.")
    ]


def askers(operation: Operation) -> set[int]:
    """Everybody who counts as having asked: the person, the owner of a service, the owner of the token."""
    accounts = [operation.requester, operation.token.account if operation.token else None]
    people = [operation.requester_person, *(account.person for account in accounts if account)]
    return {number for person in people if person for number in (person.pk, person.owner_id) if number}


def _still_own(vote: Vote) -> bool:
    """Whether every password since the vote was set by the account's owner."""
    seals = list(
        CredentialSeal.objects.filter(account_id=vote.account_id).order_by("-id").values_list("fingerprint", "how")
    )
    for sealed, how in seals:
        if sealed == vote.credential:
            return True
        if how != CredentialSeal.How.SELF:
            return False
    return False


credential_of = fingerprint  # what a vote keeps of the password that it was cast with
