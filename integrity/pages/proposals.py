"""What can be asked for about a finding: its proposals as links to the form of the kind that carries them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from integrity.models import Finding, Report
from integrity.reporting.standing import curable_in
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
    form = _form(database)
    asked = {"report": finding.report_id, "finding": finding.fingerprint}
    return [
        Act(proposal["words"], f"{form}?{urlencode({**asked, 'action': proposal['action']})}")
        for proposal in finding.proposals
        if form
    ]


def act_on_all(report: Report) -> Act | None:
    """One plan for all critical findings that stand and come with a proposal; None when there are fewer than two."""
    form = _form(report.database)
    curable = curable_in(report) if form and report.open_critical else 0
    if curable < 2:
        return None
    which = "every critical finding" if curable == report.open_critical else f"{curable} critical findings"
    return Act(f"Set {which} right", f"{form}?{urlencode({'report': report.pk, 'finding': 'critical'})}")


def _form(database: Database) -> str:
    kind = next((kind for kind in kinds.every() if kind.name == KIND), None)
    if kind is None or database.engine not in kind.engines:
        return ""
    return reverse("request", kwargs={"name": database.name, "kind": KIND})
