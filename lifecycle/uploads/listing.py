"""The uploads that are listed: who sees which, until when they are kept, and letting them go."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet

from lifecycle.models import Upload
from lifecycle.uploads import sweeping
from lifecycle.uploads.receiving import FOLDER
from opsconsole import audit
from opsconsole.clock import now
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Account, Operation
from opsconsole.permissions import visible_databases
from opsconsole.row_numbers import row_number
from opsconsole.states import OPEN

USERS = ("inspect", "restore", "compare")  # kinds whose operations read an upload
ARRIVING = timedelta(days=1)  # longer than any upload takes: an unlisted folder older than this was left behind
State = Upload.State


def visible(account: Account | None) -> QuerySet[Upload]:
    """The uploads for databases that the account may see; all of them for nobody in particular, at a shell."""
    rows = Upload.objects.select_related(
        "database__environment", "database__owner_group", "received_by__person", "inspection__operation"
    )
    return rows if account is None else rows.filter(database__in=visible_databases(account))


def find(rows: QuerySet[Upload], wanted: str) -> Upload:
    """The upload of that number. Raises Usage with the list of what there is."""
    found = rows.filter(pk=row_number(wanted)).first()
    if found is None:
        kept = rows.exclude(state=State.EXPIRED)[:10]
        listed = ", ".join(f"{row.pk} ({row.title}, for {row.database.name})" for row in kept)
        raise Usage(
            "unknown_upload",
            f"There is no upload {wanted}.",
            f"There are: {listed}." if listed else "Bring a file first: on the page Uploads, or with file=PATH.",
        )
    return found


def refuse_gone(upload: Upload) -> None:
    """Raise Refused when it is no longer kept."""
    if upload.state == State.EXPIRED:
        raise Refused(
            "upload_gone",
            f"Upload {upload.pk} was kept until {upload.expires_at:%Y-%m-%d %H:%M} UTC.",
            "Bring the files again.",
        )


def drop_expired() -> int:
    """Let go of uploads whose time is over; gives back how many. One that an open operation reads stays until it ended.

    The row goes first: killed before the folder is gone too, nothing is offered that is not there; `tidy` goes on.
    """
    due = Upload.objects.exclude(state=State.EXPIRED).filter(expires_at__lte=now()).exclude(pk__in=_wanted())
    return sum(_drop(row) for row in due.select_related("database").order_by("pk")[:5])


def tidy() -> int:
    """Remove folders of the store that no row keeps: of expired uploads, and of those that never arrived as a whole.

    Gives back how many were removed.
    """
    return sweeping.tidy(
        FOLDER,
        kept=set(Upload.objects.exclude(state=State.EXPIRED).values_list("key", flat=True)),
        gone=set(Upload.objects.filter(state=State.EXPIRED).values_list("key", flat=True)),
        arriving=ARRIVING,
    )


def last_inspection(upload: Upload) -> Operation | None:
    """The newest one that was asked for, whatever became of it."""
    rows = upload.database.operations.filter(kind="inspect", created_at__gte=upload.received_at).order_by("-id")[:50]
    return next((row for row in rows if row.plan.parameters.get("upload") == str(upload.pk)), None)


def _wanted() -> set[int]:
    rows = Operation.objects.filter(kind__in=USERS, state__in=OPEN)
    named = (str(row.plan.parameters.get("upload") or "") for row in rows)
    return {row_number(name) for name in named} - {0}


def _drop(row: Upload) -> bool:
    with transaction.atomic():
        if (
            not Upload.objects.filter(pk=row.pk)
            .exclude(state=State.EXPIRED)
            .update(state=State.EXPIRED, ended_at=now())
        ):
            return False
        told = {"upload": row.pk, "bytes": row.size}
        audit.record("upload.expired", database=row.database, subject=f"upload {row.pk}", data=told)
    sweeping.remove(row.key)
    return True
