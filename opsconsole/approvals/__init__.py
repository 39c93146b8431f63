"""Approvals: which policies apply, who must agree, whose votes count. Functions over rows that write nothing.

`requirement_for` says what an operation needs, `tally` how it stands, `may_vote` why somebody may not decide. An
operation needs the larger of what was asked for when it was requested and what policies ask for now.
"""

from __future__ import annotations

from opsconsole.approvals.asking import (
    CHANGE,
    CONFIRMING,
    places_of,
    requirement_for,
    requirement_for_change,
    requirement_of,
    seat_of_another,
)
from opsconsole.approvals.history import Met, would_have_gated
from opsconsole.approvals.requirement import Clause, Requirement, Window, strictest, strictest_of
from opsconsole.approvals.rules import (
    DEFAULT,
    Place,
    Rule,
    RuleSet,
    Verb,
    in_force,
    rule_set,
    sentence,
)
from opsconsole.approvals.tally import Ballot, Seat, Tally, standing_tally, tally, who_may_sit
from opsconsole.approvals.templates import Standing, standing_of, template_of, told_of
from opsconsole.approvals.voters import askers, credential_of, deadline_of, is_asked, may_vote, who_may
from opsconsole.approvals.weakening import weakened

__all__ = [
    "CHANGE",
    "CONFIRMING",
    "DEFAULT",
    "Ballot",
    "Clause",
    "Met",
    "Place",
    "Requirement",
    "Rule",
    "RuleSet",
    "Seat",
    "Standing",
    "Tally",
    "Verb",
    "Window",
    "askers",
    "credential_of",
    "deadline_of",
    "in_force",
    "is_asked",
    "may_vote",
    "places_of",
    "requirement_for",
    "requirement_for_change",
    "requirement_of",
    "rule_set",
    "seat_of_another",
    "sentence",
    "standing_of",
    "standing_tally",
    "strictest",
    "strictest_of",
    "tally",
    "template_of",
    "told_of",
    "weakened",
    "who_may",
    "who_may_sit",
    "would_have_gated",
]
