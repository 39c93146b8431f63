"""What an approver types: the database's name and one number out of the plan, as proof of having read what it costs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from opsconsole.exceptions import Refused
from opsconsole.plans import Plan

SEPARATORS = re.compile(r"[\s.,'’_]")  # between the digits of a number, as people and pages write it


@dataclass(frozen=True, kw_only=True)
class Typed:
    """What stands in the two fields of the decision form."""

    name: str = ""
    number: str = ""


def require_typed(plan: Plan, typed: Typed) -> None:
    """Raises Refused("confirmation_needed") unless what the plan asks for was typed; most plans ask for nothing."""
    wanted = plan.confirmation
    if wanted is None:
        return
    name = plan.target().database
    if typed.name == name and SEPARATORS.sub("", typed.number) == str(wanted.number):
        return
    missing = "the name of the database" if typed.name != name else f"the number of {wanted.counts}"
    raise Refused(
        "confirmation_needed",
        f"Approving this needs {name} and one number of its plan to be typed, and {missing} is missing or wrong.",
        f"Type {name}, and the number of {wanted.counts}: it stands in the sentence on top of the plan.",
    )
