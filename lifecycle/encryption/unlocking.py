"""Private keys that are kept off the console: handed over with a request, at hand while its operation plans and runs.

The key is a secret parameter: encrypted while the operation waits and runs, gone when it has ended, in no plan, event
or log. A key of the console serves without being asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import wraps
from typing import TypeVar

from django.conf import settings

from lifecycle.models import Backup, Patch
from opsconsole import age_keys
from opsconsole.kinds import Kind, Parameter, Request, Result, Run
from opsconsole.models import Database
from opsconsole.plans import Plan

IDENTITY = Parameter(
    name="identity",
    label="Private key",
    secret=True,
    help="AGE-SECRET-KEY-1..., only for a backup that no key on this console opens; for this operation alone, "
    "encrypted, and removed when it ends",
)
K = TypeVar("K", bound=type[Kind])


def unlocks(kind: K) -> K:
    """Have a kind take a private key, which is at hand while it plans and runs."""
    plan, run, fields = kind.plan, kind.run, kind.fields

    @wraps(plan)
    def planned(self: Kind, request: Request) -> Plan:
        with age_keys.using(request.secrets.get(IDENTITY.name, "")):
            return plan(self, request)

    @wraps(run)
    def done(self: Kind, given: Run) -> Result:
        with age_keys.using(given.secret(IDENTITY.name)):
            return run(self, given)

    @wraps(fields)
    def shown(self: Kind, database: Database, given: Mapping[str, str]) -> tuple[Parameter, ...]:
        encrypted = any(rows.objects.exclude(recipients="").exists() for rows in (Backup, Patch))
        return tuple(each for each in fields(self, database, given) if encrypted or each != IDENTITY)

    kind.parameters = (*kind.parameters, IDENTITY)
    kind.plan, kind.run, kind.fields = planned, done, shown  # type: ignore[method-assign, assignment]
    return kind


def words(recipients: Sequence[str]) -> str:
    """With which key something encrypted was opened, to go behind a sentence; "" when it is not encrypted."""
    opener = _opener(recipients)
    return f", decrypted with {opener}" if opener else ""


def evidence(recipients: Sequence[str]) -> dict[str, str]:
    """The same as a line of a plan's evidence."""
    opener = _opener(recipients)
    return {"encrypted": f"it opens with {opener}"} if opener else {}


def _opener(recipients: Sequence[str]) -> str:
    kept = {key.public_key: key.name for key in age_keys.kept(settings.OPSCONSOLE_HOME)}
    for public in recipients:
        if public in kept:
            return f"the key {kept[public]} of this console"
    for public in recipients:
        if age_keys.fitting(settings.OPSCONSOLE_HOME, [public]):
            return f"the private key of {public}, handed over for it"
    return ""
