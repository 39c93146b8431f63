"""The audit history to read: sentences with filters, one event with its proof, and the export of what is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from opsconsole import kinds
from opsconsole.audit.checkpoints import KEY
from opsconsole.audit.export import export
from opsconsole.audit.reading import Filters, events, head, proof
from opsconsole.audit.sentences import payload_of, sentence
from opsconsole.audit.verification import verify_and_record
from opsconsole.clock import now
from opsconsole.exceptions import Usage
from opsconsole.keys import public_keys
from opsconsole.models import Account, AuditEvent, Database, Person
from opsconsole.pages import looks
from opsconsole.pages.base import Scope, page, register_scope, show
from opsconsole.row_numbers import row_number
from opsconsole.verify_audit import STANDALONE

EVENTS_A_PAGE = 50
SOURCE = {"ip": "IP address", "user_agent": "digest of the user agent"}
OUTCOMES = (("ok", "done"), ("failed", "failed"), ("denied", "refused"))
FAMILIES = (
    ("op.", "Operations"),
    ("auth.", "Logins and tokens"),
    ("denied.", "Refusals"),
    ("data.", "Looks at data"),
    ("secret.", "Looks at secrets"),
    ("backup.", "Backups"),
    ("patch.", "Patches"),
    ("kept.", "What can be undone"),
    ("retention.", "Retention"),
    ("hold.", "Legal holds"),
    ("upload.", "Uploads"),
    ("folder.", "Migration folders"),
    ("migration.", "Migrations"),
    ("integrity.", "Integrity reports"),
    ("rule.", "Integrity rules"),
    ("fix.", "What fixes changed"),
    ("health.", "Health"),
    ("database.", "Databases"),
    ("schedule.", "Schedules"),
    ("store.", "Stores"),
    ("recipient.", "Recipients of backups"),
    ("recovery_kit.", "Recovery kits"),
    ("person.", "People"),
    ("account.", "Logins of people"),
    ("membership.", "Roles"),
    ("policy.", "Policies"),
    ("environment.", "Environments"),
    ("keys.", "Keys of this console"),
    ("key.", "Keys of other consoles"),
    ("audit.", "The history itself"),
    ("console.", "The console"),
    ("bootstrap.", "Setting the console up"),
)
TYPES = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}


@page("audit/", name="audit", permission="audit")
def explorer(request: HttpRequest) -> HttpResponse:
    """What happened, newest first, as sentences; the address holds the filters."""
    problem = None
    try:
        filters = Filters.from_texts(_given(request.GET))
        found = events(filters, cursor=row_number(request.GET.get("before", "")) or None, limit=EVENTS_A_PAGE)
    except Usage as error:
        problem, filters, found = error, Filters(), None
    chosen = filters.as_texts()
    return show(
        request,
        "console/audit/list.html",
        title="Audit history",
        crumbs=[],
        head=head(),
        events=[looks.told(event) for event in found.events] if found else [],
        older=urlencode({**chosen, "before": found.next}) if found and found.next else "",
        newer=f"?{urlencode(chosen)}" if request.GET.get("before") else "",
        given=_given(request.GET),
        chosen=chosen,
        problem=problem,
        people=Person.objects.order_by("name"),
        databases=Database.objects.order_by("name").values_list("name", flat=True),
        kinds=[*(kind.name for kind in kinds.every()), "change"],
        families=_families(filters.type),
        outcomes=OUTCOMES,
        formats=(("jsonl", "JSON lines"), ("csv", "CSV")),
    )


def _find(account: Account, arguments: dict[str, Any]) -> AuditEvent:
    found = AuditEvent.objects.filter(pk=arguments.pop("pk")).first()
    if found is None:
        raise Http404("There is no event of that number.")
    return found


register_scope(Scope(name="event", find=_find, subject=lambda _: None))


@page("audit/<int:pk>/", name="audit-event", permission="audit", scope="event")
def event_page(request: HttpRequest, event: AuditEvent) -> HttpResponse:
    """One event: what it says, and what keeps it from being changed."""
    return show(request, "console/audit/event.html", **_event_context(event))


@page("audit/<int:pk>/verify/", name="audit-verify", permission="audit", scope="event", methods=("POST",))
def verify_from(request: HttpRequest, event: AuditEvent) -> HttpResponse:
    """Check the chain from this event to its end, and record that somebody did."""
    place = proof(event)
    if place.seq is None:
        raise Usage("not_sealed", "This event has no place in the chain yet.", "Wait a second and load its page again.")
    started = now()
    report = verify_and_record(from_seq=place.seq)
    context = _event_context(event)
    return show(
        request, "console/audit/event.html", **context, report=report, seconds=(now() - started).total_seconds()
    )


@page("audit/export/<slug:format>/", name="audit-export", permission="audit", methods=("POST",))
def export_shown(request: HttpRequest, format: str) -> HttpResponseBase:
    """What the filter shows, as a stream; the export is an event itself."""
    pieces = export(format, Filters.from_texts(_given(request.POST)))
    response = StreamingHttpResponse(pieces, content_type=TYPES[format])
    response.headers["Content-Disposition"] = f'attachment; filename="audit-{now():%Y%m%dT%H%M%SZ}.{format}"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@page("audit/verify_audit.py", name="audit-verifier", permission="audit")
def verifier(request: HttpRequest) -> HttpResponse:
    """The program that checks an export on a machine without a console."""
    return _file("verify_audit.py", STANDALONE.read_bytes(), "text/x-python; charset=utf-8")


@page("audit/audit.pub", name="audit-key", permission="audit")
def public_key(request: HttpRequest) -> HttpResponse:
    """The public keys with which checkpoints are checked."""
    lines = [key.line() + "\n" for key in public_keys(settings.OPSCONSOLE_HOME, KEY).values()]
    return _file("audit.pub", "".join(lines).encode(), "text/plain; charset=utf-8")


def _file(name: str, content: bytes, type: str) -> HttpResponse:
    response = HttpResponse(content, content_type=type)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _event_context(event: AuditEvent) -> dict[str, Any]:
    payload = payload_of(event)
    source = payload.get("source") or {}
    return {
        "title": sentence(payload),
        "crumb": f"Event {event.pk}",
        "crumbs": [("Audit history", "/audit/")],
        "event": event,
        "payload": payload,
        "actor": payload.get("actor") or {},
        "subject": payload.get("subject") or {},
        "source": {SOURCE.get(name, name): value for name, value in source.items() if value},
        "facts": looks.facts_of(payload.get("data") or {}),
        "proof": proof(event),
        "before": AuditEvent.objects.filter(pk__lt=event.pk).order_by("-pk").values_list("pk", flat=True).first(),
        "after": AuditEvent.objects.filter(pk__gt=event.pk).order_by("pk").values_list("pk", flat=True).first(),
    }


def _families(asked: str) -> list[tuple[str, str]]:
    """What the filter offers; a single type (from a link, say) is kept as it was asked for."""
    return [*FAMILIES, *([(asked, asked)] if asked and asked not in dict(FAMILIES) else [])]


def _given(texts: Mapping[str, str]) -> dict[str, str]:
    names = ("person", "database", "kind", "type", "outcome", "operation", "since", "until")
    return {name: texts.get(name, "").strip()[:200] for name in names}
