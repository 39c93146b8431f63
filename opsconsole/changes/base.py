"""The contract of a change of the console itself, and the table of changes.

A change says what it would do (`draft`) and does it (`carry_out`). Everything else is the same for all: who may ask,
what must still be true when it is done, and who must confirm it. `plan` writes nothing; `apply` runs inside one
transaction while its operation is `running`, and marks every row it touches with that operation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from opsconsole import approvals, bootstrap
from opsconsole.changes import facts
from opsconsole.exceptions import Moved, Refused, Stale, Usage
from opsconsole.models import Account, Membership, Operation, Role
from opsconsole.permissions import can
from opsconsole.plans import Effect, Plan, Precondition, Step

NOBODY = "somebody on a shell, where nobody is known"  # in the evidence of a change that one more person must confirm


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What a change would do.

    `parameters` are JSON without clear secrets, all that `carry_out` gets. `facts` name what must stay as it is until
    then (see opsconsole/changes/facts.py). `owner_groups` are those whose approvers or administrators confirm.
    `databases` are ids of those whose protection it touches: whatever protects them must agree. `demands` is what
    else must agree.
    """

    summary: str
    parameters: Mapping[str, Any]
    effects: tuple[Effect, ...]
    facts: tuple[str, ...] = ()
    owner_groups: tuple[str, ...] = ()
    databases: tuple[int, ...] = ()
    demands: approvals.Requirement = field(default_factory=lambda: approvals.Requirement(gated=False))
    risk: str = "low"
    risk_reasons: tuple[str, ...] = ()
    way_back: str = ""


class Change(ABC):
    """One change. `fields` are the parameters that somebody may give; unknown ones are refused."""

    name: ClassVar[str]  # NOUN.VERB
    label: ClassVar[str]  # the verb on a button: "Add a person"
    fields: ClassVar[tuple[str, ...]]
    free_at_first: ClassVar[bool] = True  # nobody else is asked while the console is being set up

    @abstractmethod
    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        """Check what was asked for and say what it would do. Raises Usage or Refused."""

    @abstractmethod
    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Do it; gives back what the operation's result keeps (JSON, no secrets)."""

    def plan(self, parameters: Mapping[str, Any], account: Account | None) -> Plan:
        """The plan that others read and vote on. `account` is who asks; None is somebody at the shell."""
        if unknown := sorted(set(parameters) - set(self.fields)):
            known = ", ".join(self.fields)
            raise Usage("unknown_parameter", f"{self.label} has no setting called {unknown[0]}.", f"It has: {known}.")
        draft = self.draft(parameters)
        self.refuse_strangers(account, draft)
        seat = approvals.seat_of_another(draft.owner_groups, besides=_person_behind(account))
        return Plan(
            kind=approvals.CHANGE,
            summary=draft.summary,
            parameters={"action": self.name, **draft.parameters},
            steps=(
                Step(
                    title=draft.summary, detail="In one transaction of the console's own database.", commit_point=True
                ),
            ),
            effects=draft.effects,
            preconditions=tuple(Precondition(probe="fact", subject=s, value=facts.read(s)) for s in draft.facts),
            risk=draft.risk,
            risk_reasons=draft.risk_reasons,
            evidence={
                "seat": seat.as_json(),
                "demands": draft.demands.as_json(),
                "databases": list(draft.databases),
                **self._asked_by(account),
            },
            way_back=draft.way_back or "Ask for the opposite change; it is confirmed in the same way.",
        )

    def _asked_by(self, account: Account | None) -> dict[str, str]:
        """That nobody knows who asked, which takes one vote more; not told while one may do without."""
        free = self.free_at_first and bootstrap.is_open()
        return {"asked_by": NOBODY} if account is None and not free else {}

    def refuse_strangers(self, account: Account | None, draft: Draft) -> None:
        """Administrators ask for changes: of their owner groups, and of those that have no administrator yet."""
        if account is None:
            return
        groups = Membership.objects.filter(role=Role.ADMINISTRATOR, owner_group__name__in=draft.owner_groups)
        governed = {membership.owner_group for membership in groups.select_related("owner_group")}
        if not can(account, "administer") or not all(can(account, "administer", group) for group in governed):
            raise Refused(
                "not_allowed", f"{self.label} is asked for by an administrator.",
                f"Ask an administrator of {' and '.join(draft.owner_groups) or 'the console'}.",
            )  # fmt: skip

    def requirement(self, plan: Plan, *, at: datetime) -> approvals.Requirement:
        """Who must confirm it."""
        return approvals.requirement_for_change(plan, at=at)

    def apply(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Check that nothing moved, then do it. Raises Stale, Refused or Usage; the caller rolls back."""
        moved = [
            Moved(fact.subject, fact.value, now_is)
            for fact in operation.plan.preconditions
            if (now_is := facts.read(fact.subject)) != fact.value
        ]
        if moved:
            raise Stale(moved, "Ask for the change again; it will be planned afresh.")
        return self.carry_out(operation, {name: value for name, value in parameters.items() if name != "action"})


_REGISTRY: dict[str, Change] = {}


def register_change(change: Change) -> None:
    """Add a change to the table. Raises TypeError for a duplicate or something that is no change."""
    if not isinstance(change, Change):
        raise TypeError(f"{change!r} is not a Change")
    if change.name in _REGISTRY:
        raise TypeError(f"the change {change.name} is registered twice")
    _REGISTRY[change.name] = change


def get_change(action: str) -> Change:
    """The change of that name. Raises Usage with the list of what there is."""
    if action not in _REGISTRY:
        raise Usage(
            "unknown_change", f"There is no change called {action}.", f"There are: {', '.join(sorted(_REGISTRY))}."
        )
    return _REGISTRY[action]


def every_change() -> list[Change]:
    """All changes by name."""
    return [_REGISTRY[name] for name in sorted(_REGISTRY)]


def delay_in_words(hours: float) -> str:
    """When something new begins to count: "at once" or "24 h after it is confirmed"."""
    exempt = bootstrap.is_open() or bootstrap.is_demo() or hours <= 0
    return "at once" if exempt else f"{hours:g} h after it is confirmed"


def _person_behind(account: Account | None) -> int | None:
    if account is None:
        return None
    return account.person.owner_id if account.person.is_service else account.person_id
