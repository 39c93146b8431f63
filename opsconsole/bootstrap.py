"""Setting the console up: until an approver besides the first administrator has logged in, changes need nobody else.

It ends by itself and never begins again (a trigger sees to that). What is done meanwhile is recorded as bootstrap.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from opsconsole import audit
from opsconsole.clock import now
from opsconsole.models import Account, Bootstrap, Membership, Person, Role


def is_open() -> bool:
    """Whether the console is still being set up."""
    return Bootstrap.objects.filter(closed_at=None).exists()


def first_administrator() -> Person | None:
    """Who became an administrator first, of those who still are one."""
    first = Membership.objects.filter(role=Role.ADMINISTRATOR).select_related("person").order_by("id").first()
    return first.person if first else None


@transaction.atomic
def close_if_ready(account: Account) -> bool:
    """End the setting up when an approver besides the first administrator has just logged in.

    Gives back whether it ended now.
    """
    first = first_administrator()
    approves = Membership.objects.filter(person_id=account.person_id, role=Role.APPROVER).exists()
    if first is None or not approves or account.person_id == first.pk:
        return False
    if Bootstrap.objects.filter(closed_at=None).update(closed_at=now(), closed_by=account) != 1:
        return False
    audit.record(
        "bootstrap.closed", subject=account.username, data={"account": account.pk, "person": account.person_id}
    )
    return True


def is_demo() -> bool:
    """Whether this is the demo, whose people are told in a file; a production installation has none."""
    return not settings.PRODUCTION and (settings.OPSCONSOLE_HOME / "demo-people.txt").is_file()


def not_before(hours: float) -> datetime:
    """From when on something new counts: after `hours`, or at once while the console is set up and in the demo."""
    return now() if is_open() or is_demo() else now() + timedelta(hours=hours)
