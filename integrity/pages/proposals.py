"""What can be asked for about a finding: its proposals as links to the form of the kind that carries them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from integrity.models import Finding
from opsconsole import kinds
from opsconsole.models import Database

KIND = "fix"


@dataclass(frozen=True)
class Act:
    """One button."""

    label: str
    address: str


def acts_of(finding: Finding, database: Database) -> Sequence[Act]:
    """One for each proposal; none while nothing here carries proposals out on such a database."""
    kind = next((kind for kind in kinds.every() if kind.name == KIND), None)
    if kind is None or database.engine not in kind.engines:
        return ()
    form = reverse("request", kwargs={"name": database.name, "kind": KIND})
    return [
        Act(proposal["words"], f"{form}?{urlencode({'finding': finding.pk, 'action': proposal['action']})}")
        for proposal in finding.proposals
    ]
