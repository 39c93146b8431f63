"""What somebody can do about how long a backup is kept: pin it, hold it, accept what it was for, bring it back."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from lifecycle.backups import pins
from lifecycle.backups.finding import moment_of
from lifecycle.models import Backup, Hold
from lifecycle.pages.backups import BACKUP
from lifecycle.retention import trash
from lifecycle.retention.changes import going, holds
from opsconsole.databases import protected
from opsconsole.exceptions import Usage
from opsconsole.pages.asking import ask, said
from opsconsole.pages.base import account_of, page
from opsconsole.row_numbers import row_number


@page("backups/<int:pk>/pin/", name="backup-pin", permission="request", scope=BACKUP, methods=("POST",))
def pin_backup(request: HttpRequest, backup: Backup) -> HttpResponse:
    """Keep it until a day, or until somebody says otherwise, with the reason."""
    until = moment_of({"until": said(request, "until")}, "until")
    pins.pin(backup, account=account_of(request), reason=said(request, "reason"), until=until)
    messages.success(request, f"Backup {backup.id} is pinned: nothing of ours will delete it.")
    return redirect("backup", pk=backup.pk)


@page("backups/<int:pk>/unpin/", name="backup-unpin", permission="request", scope=BACKUP, methods=("POST",))
def unpin_backup(request: HttpRequest, backup: Backup) -> HttpResponse:
    """Treat it like any other backup again."""
    pins.unpin(backup, account=account_of(request), reason=said(request, "reason"))
    messages.success(request, f"Backup {backup.id} is no longer pinned.")
    return redirect("backup", pk=backup.pk)


@page("backups/<int:pk>/hold/", name="backup-hold", permission="request", scope=BACKUP, methods=("POST",))
def hold_backup(request: HttpRequest, backup: Backup) -> HttpResponse:
    """Ask for a legal hold on it, or on every backup of its database."""
    whole = said(request, "on") == "database"
    given = {"database": backup.database_id} if whole else {"backup": backup.pk}
    cause = said(request, "cause")
    return ask(request, holds.SET, {**given, "cause": cause, "until": said(request, "until")}, reason=cause)


@page("backups/<int:pk>/lift/", name="backup-lift", permission="request", scope=BACKUP, methods=("POST",))
def lift_hold(request: HttpRequest, backup: Backup) -> HttpResponse:
    """Ask for one of the holds on it to be lifted."""
    number = said(request, "hold")
    on_it = Hold.objects.filter(pk=row_number(number), database=backup.database)
    if not on_it.exists():
        raise Usage("unknown_hold", f"There is no hold {number} on it.", "Look at the backup's page.")
    return ask(request, holds.LIFT, {"hold": number}, reason=said(request, "reason"))


@page("backups/<int:pk>/accept/", name="backup-accept", permission="request", scope=BACKUP, methods=("POST",))
def accept_backup(request: HttpRequest, backup: Backup) -> HttpResponse:
    """What it was taken for is good. On a protected database another person agrees first."""
    if protected(backup.database):
        return ask(request, going.ACCEPT, {"backup": backup.pk}, reason=said(request, "reason"))
    pins.accept(backup, reason=said(request, "reason"))
    messages.success(request, f"Accepted: backup {backup.id} goes by the rule from now on.")
    return redirect("backup", pk=backup.pk)


@page("backups/<int:pk>/put-back/", name="backup-put-back", permission="request", scope=BACKUP, methods=("POST",))
def put_back_backup(request: HttpRequest, backup: Backup) -> HttpResponse:
    """Out of the trash. On a protected database another person agrees first."""
    if protected(backup.database):
        return ask(request, going.PUT_BACK, {"backup": backup.pk}, reason=said(request, "reason"))
    trash.put_back(backup, "it is needed")
    messages.success(request, f"Backup {backup.id} is out of the trash. Pin it if the rule must not let it go again.")
    return redirect("backup", pk=backup.pk)
