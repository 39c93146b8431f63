"""For whom backups are encrypted: the recipients of an environment, what is wrong with them, and who can still decrypt.

An environment with at least one recipient has every backup of its databases encrypted for all of them. What counts is
what another person confirmed: a row that is not word for word in its change's plan stops every backup there.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.db.models import QuerySet

from lifecycle.formats.base import Contents
from lifecycle.models import Backup, Patch, Recipient
from opsconsole import age_keys, audit
from opsconsole.clock import now
from opsconsole.databases import environments_of, strictest
from opsconsole.exceptions import OperationFailed, Refused, Usage
from opsconsole.models import Database, Environment, Operation
from opsconsole.states import State

ADD, RETIRE = "recipient.add", "recipient.retire"  # the changes
LONGEST_LABEL = 60
MOST = 20  # recipients of one environment


def in_force(environment: Environment) -> list[Recipient]:
    """The recipients of an environment. Raises OperationFailed when one is not what was confirmed."""
    rows = list(listed(environment).select_related("operation"))
    for row in rows:
        require_confirmed(row)
    return rows


def listed(environment: Environment) -> QuerySet[Recipient]:
    """The same, unchecked."""
    return Recipient.objects.filter(environment=environment, retired_by=None)


def of_database(database: Database) -> list[Recipient]:
    """For whom its backups are encrypted: the recipients of the strictest environment of its target that has any."""
    ordered = [strictest(database), *environments_of(database.identity), database.environment]
    for environment in dict.fromkeys(ordered):
        if found := in_force(environment):
            return found
    return []


def named(rows: Sequence[Recipient]) -> tuple[dict[str, str], ...]:
    """The same, as a manifest names them."""
    return tuple({"public_key": row.public_key, "label": row.label, "role": row.role} for row in rows)


def warnings(environment: Environment, rows: Sequence[Recipient]) -> list[str]:
    """What is wrong with the recipients of an environment, each in a sentence that also says what to do."""
    if not rows:
        if not environment.protected:
            return []
        return [
            "Its backups are not encrypted, for no public key (recipient) is set for them. Add one for operations, "
            "and one for escrow, whose private key lies in a safe."
        ]
    found = []
    if not any(row.role == Recipient.Role.ESCROW for row in rows):
        found.append(
            "None of its recipients is escrow: if the keys of operations are lost, nobody can read a backup. "
            "Add one whose private key lies in a safe."
        )
    if len(rows) == 1:
        found.append("It has one recipient only: if its private key is lost, so is every backup. Add a second one.")
    return found


def put(environment: Environment, label: str, public_key: str, role: str, operation: Operation) -> Recipient:
    """Carry out a confirmed change: backups are encrypted for this key too from now on."""
    row = Recipient.objects.create(
        environment=environment, label=label, public_key=public_key, role=role, operation=operation, added_at=now()
    )
    audit.record("recipient.added", operation=operation, subject=environment.name, data=_told(row))
    return row


def retire(row: Recipient, operation: Operation) -> None:
    """Carry out a confirmed change: what is taken from now on is not encrypted for this key."""
    at = now()
    if Recipient.objects.filter(pk=row.pk, retired_by=None).update(retired_by=operation, retired_at=at) != 1:
        raise Refused("stale", f"The recipient {row.label} was retired already.", "Look at the list.")
    audit.record("recipient.retired", operation=operation, subject=row.environment.name, data=_told(row))


def refuse_odd(environment: Environment, label: str, public_key: str) -> None:
    """Raise Usage or Refused for a recipient that is there already, a long label, or one too many."""
    if len(label) > LONGEST_LABEL:
        raise Usage("bad_name", f"A label has at most {LONGEST_LABEL} characters.", "Say in few words whose key it is.")
    rows = listed(environment)
    if found := rows.filter(public_key=public_key).first():
        raise Refused("key_taken", f"{environment.label} has that key already, as {found.label}.", "Look at the list.")
    if rows.filter(label=label).exists():
        raise Refused("name_taken", f"{environment.label} has a recipient called {label}.", "Choose another label.")
    if rows.count() >= MOST:
        raise Usage("too_many", f"An environment has at most {MOST} recipients.", "Retire one first.")


def require_encrypted(contents: Contents, readers: Sequence[Recipient]) -> None:
    """Raise OperationFailed unless everything in an archive that has recipients is encrypted: nothing is published."""
    if plain := [item.key for item in contents.objects if not item.encryption] if readers else []:
        raise OperationFailed(
            "not_encrypted", f"The object {plain[0]} was not encrypted, though its environment has recipients.",
            "Tell whoever maintains this format; take the backup in another one.",
        )  # fmt: skip


# -- can it still be decrypted? ---------------------------------------------------------------------------------------


def needing(public_key: str) -> tuple[QuerySet[Backup], QuerySet[Patch]]:
    """The listed backups and kept patches that are encrypted for a key."""
    patches = Patch.objects.filter(state=Patch.State.KEPT)
    backups = Backup.objects.exclude(state=Backup.State.EXPIRED).filter(recipients__contains=public_key)
    return backups, patches.filter(recipients__contains=public_key)


def needs(public_key: str) -> list[str]:
    """The same in words."""
    backups, patches = (rows.count() for rows in needing(public_key))
    found = [f"{backups} listed backup{'s' * (backups != 1)}"] if backups else []
    return found + ([f"{patches} kept patch{'es' * (patches != 1)}"] if patches else [])


def openers(recipients: str) -> list[age_keys.Kept]:
    """The keys on this console that open what is encrypted for these (public keys with spaces between them)."""
    wanted = set(recipients.split())
    return [key for key in age_keys.kept(settings.OPSCONSOLE_HOME) if key.public_key in wanted]


def refuse_locked(what: str, recipients: Sequence[str]) -> None:
    """Raise Refused("key_missing") when no key at hand opens what is encrypted for these; fine when there are none."""
    if not recipients or age_keys.fitting(settings.OPSCONSOLE_HOME, recipients):
        return
    labels = dict(Recipient.objects.filter(public_key__in=recipients).values_list("public_key", "label"))
    listed = ", ".join(f"{labels[key]} ({key})" if key in labels else key for key in recipients)
    given = ", ".join(age_keys.handed_over())
    wrong = f" What was handed over is the private key of {given}, which is none of them." if given else ""
    raise Refused(
        "key_missing",
        f"{what} is encrypted, and this console keeps no key that opens it. It opens with the private key of any of: "
        f"{listed}.{wrong}",
        "Hand one over with the request: in the field Private key of the form, or with --identity-stdin on the command "
        "line. It serves this operation only. Or keep it here: manage.py keys age add NAME.",
    )


def _told(row: Recipient) -> dict[str, object]:
    return {
        "recipient": row.pk, "environment": row.environment_id, "label": row.label, "public_key": row.public_key,
        "role": row.role,
    }  # fmt: skip


def require_confirmed(row: Recipient) -> None:
    """Raise OperationFailed unless a recipient is word for word what another person confirmed."""
    asked = row.operation.plan.parameters
    confirmed = tuple(asked.get(name) for name in ("action", "environment_id", "label", "public_key", "role"))
    if row.operation.state != State.SUCCEEDED or confirmed != (
        ADD, row.environment_id, row.label, row.public_key, row.role,
    ):  # fmt: skip
        raise OperationFailed(
            "recipient_changed",
            f"The recipient {row.label} is not the one that was confirmed in operation {row.operation_id}.",
            "Look in the audit history for who changed it, retire it, and add the right one.",
        )
