"""Bringing files from elsewhere: the form, the list of what was brought, and the page of one upload."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.debug import sensitive_post_parameters

from lifecycle.documents.base import refusing
from lifecycle.encryption.unlocking import IDENTITY
from lifecycle.models import Upload
from lifecycle.uploads import listing, streaming
from lifecycle.uploads.inspection import LOCKED
from opsconsole import operations
from opsconsole.models import Account, Database, Operation
from opsconsole.pages.base import Scope, account_of, fragment, page, register_scope, rights_of, show
from opsconsole.pages.tabs import header
from opsconsole.permissions import visible_databases
from opsconsole.states import OPEN, State

UPLOADS_A_PAGE = 30
PENDING = (Upload.State.RECEIVED, Upload.State.INSPECTING)


def _find(account: Account, arguments: dict[str, Any]) -> Upload:
    found = listing.visible(account).filter(pk=arguments.pop("pk")).first()
    if found is None:
        raise Http404("There is no upload of that number that you may see.")
    return found


register_scope(Scope(name="upload", find=_find, subject=lambda upload: upload.database))


@page("uploads/", name="uploads", permission="see")
def upload_list(request: HttpRequest) -> HttpResponse:
    """What was brought, newest first, and where to bring more."""
    account, rights = account_of(request), rights_of(request)
    rows = listing.visible(account)
    before = request.GET.get("before", "")
    if before.isdecimal() and len(before) < 19:
        rows = rows.filter(pk__lt=int(before))
    found = list(rows[: UPLOADS_A_PAGE + 1])
    shown = found[:UPLOADS_A_PAGE]
    databases = visible_databases(account).order_by("name")
    return show(
        request,
        "lifecycle/uploads.html",
        title="Uploads",
        crumbs=[],
        uploads=[(row, *_found(row)) for row in shown],
        older=shown[-1].pk if len(found) > UPLOADS_A_PAGE else None,
        places=[database for database in databases if rights.can("request", database)],
        days=settings.UPLOAD_DAYS,
    )


@page(
    "databases/<slug:name>/upload/",
    name=streaming.PAGE,
    permission="request",
    scope="database",
    methods=("GET", "POST"),
    act="bringing files",
)
def new_upload(request: HttpRequest, database: Database) -> HttpResponse:
    """The form; sending it streams the files into the store, lists them and has them inspected."""
    if request.method == "POST":
        upload = streaming.received(request).keep(database, account_of(request))
        _inspect(request, upload)
        return redirect(upload)
    return show(
        request,
        "lifecycle/upload_new.html",
        **_frame(request, database),
        title=f"Upload a file for {database.name}",
        crumb="Upload a file",
        most=settings.UPLOAD_MAX_BYTES,
        days=settings.UPLOAD_DAYS,
    )


@page("uploads/<int:pk>/", name="upload", permission="see", scope="upload")
def upload_page(request: HttpRequest, upload: Upload) -> HttpResponse:
    """What it is, what it holds, what is wrong with it, and the one thing to do with it."""
    return show(
        request,
        "lifecycle/upload.html",
        **_frame(request, upload.database),
        title=f"Upload {upload.pk}",
        crumb=f"Upload {upload.pk}",
        **_standing(request, upload),
    )


@page("uploads/<int:pk>/standing/", name="upload-standing", permission="see", scope="upload", background=True)
def upload_standing(request: HttpRequest, upload: Upload) -> HttpResponse:
    """The piece of its page that changes while it is inspected."""
    return fragment(request, "lifecycle/_upload.html", database=upload.database, **_standing(request, upload))


@page("uploads/<int:pk>/inspect/", name="upload-inspect", permission="request", scope="upload", methods=("POST",))
@sensitive_post_parameters("identity")
def inspect_again(request: HttpRequest, upload: Upload) -> HttpResponse:
    """Ask for the inspection again, after one that did not come to its end, perhaps with a key that opens the files."""
    given = request.POST.get(IDENTITY.name, "").strip()
    _inspect(request, upload, secrets={IDENTITY.name: given} if given else {})
    return redirect(upload)


def _inspect(request: HttpRequest, upload: Upload, *, secrets: Mapping[str, str] | None = None) -> None:
    asked = {"upload": str(upload.pk)}
    operations.request("inspect", upload.database, asked, account=account_of(request), secrets=secrets)
    messages.success(request, f"Upload {upload.pk} has arrived and is inspected now; this page tells what it holds.")


def _frame(request: HttpRequest, database: Database) -> dict[str, Any]:
    above = header(request, database)
    return {
        "database": database,
        "frame": above["frame"],
        "crumbs": [
            ("Databases", "/databases/"),
            (database.name, database.get_absolute_url()),
            ("Uploads", "/uploads/"),
        ],
    }


def _standing(request: HttpRequest, upload: Upload) -> dict[str, Any]:
    run, (inspection, summary) = listing.last_inspection(upload), _found(upload)
    waits = upload.state in PENDING and run is not None and run.state in OPEN
    return {
        "upload": upload,
        "inspection": inspection,
        "summary": summary,
        "refused_for": next((each.text for each in refusing(summary.problems)), "") if summary else "",
        "exported": _moment(summary.exported_at) if summary else None,
        "tables": sorted(summary.tables, key=lambda table: (-table.rows, table.name)) if summary else [],
        "run": run,
        "waits": waits,
        "stuck": upload.state in PENDING and not waits,
        "locked": run is not None and run.failure_code in LOCKED,
        "is_kept": upload.state != Upload.State.EXPIRED,
        "restorable": upload.state == Upload.State.READABLE and rights_of(request).can("request", upload.database),
        "can_request": rights_of(request).can("request", upload.database),
        "used_by": _restored_by(upload),
    }


def _found(upload: Upload) -> tuple[Any, Any]:
    """(its inspection, the summary of the document), both None until it was inspected."""
    inspection = getattr(upload, "inspection", None)
    return inspection, inspection.read_summary() if inspection else None


def _moment(text: str) -> datetime | None:
    """A time as the document writes it; None for one that does not name its zone, or is no time."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def _restored_by(upload: Upload) -> list[Operation]:
    """The last restores that used it, newest first, whatever became of them."""
    rows = Operation.objects.filter(kind="restore", created_at__gte=upload.received_at)
    rows = rows.filter(targets__database=upload.database).exclude(state=State.PLANNED).order_by("-id").distinct()[:50]
    return [row for row in rows if str(row.plan.parameters.get("upload")) == str(upload.pk)][:5]
