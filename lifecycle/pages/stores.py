"""The stores: where they are, whether they work, asking for others, and listing what lies in one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.debug import sensitive_post_parameters

from lifecycle.backups import catalogue
from lifecycle.models import BackupCopy
from lifecycle.stores.changes import REBUILD, renames
from opsconsole import stores
from opsconsole.changes.values import names
from opsconsole.exceptions import OpsError
from opsconsole.models import Account, Environment, Store, TrustedKey
from opsconsole.models.databases import NAME
from opsconsole.pages.asking import PLAIN, AskingForm, ReasonField, ask, said
from opsconsole.pages.base import Scope, page, register_scope, rights_of, show
from opsconsole.stores import asking, checking

SECRETS = ("access_key", "secret_key")
CRUMBS = [("Stores", "/stores/")]


def _text(**kwargs: Any) -> forms.CharField:
    return forms.CharField(required=False, widget=forms.TextInput(attrs=PLAIN), **kwargs)


def _secret(label: str) -> forms.CharField:
    widget = forms.PasswordInput(attrs={**PLAIN, "autocomplete": "new-password"})
    return forms.CharField(label=label, required=False, max_length=400, widget=widget)


class StoreForm(AskingForm):
    """A store as people know it. What does not belong to its kind stays empty."""

    name = forms.CharField(max_length=63, validators=[NAME], widget=forms.TextInput(attrs=PLAIN))
    kind = forms.ChoiceField(choices=Store.Kind.choices, initial=Store.Kind.S3)
    path = _text(max_length=300, label="Path of a folder", help_text="Absolute, and not in the console's own store.")
    endpoint = _text(max_length=300, label="Endpoint", help_text="https://HOST[:PORT]. Empty: AWS itself.")
    region = _text(
        max_length=40, label="Region", initial="us-east-1", help_text="Many services take us-east-1 or auto."
    )
    bucket = _text(max_length=63, label="Bucket")
    folder = _text(max_length=200, label="Folder in the bucket (prefix)", help_text="It is to be this console's own.")
    access_key, secret_key = _secret("Access key"), _secret("Secret of the access key")
    access_key_env = _text(max_length=80, label="Or the variable that holds the access key")
    secret_key_env = _text(max_length=80, label="and the variable that holds its secret")
    quota_mib = forms.IntegerField(
        required=False, min_value=1, label="Quota (MiB)", help_text="What the console may keep there. Empty: not told."
    )
    certificates = _text(
        max_length=300, label="File of certificate authorities", help_text="Below /etc/ssl or /etc/pki; usually empty."
    )
    path_style = forms.BooleanField(required=False, initial=True, label="The bucket is in the path, not the host name")
    writable = forms.BooleanField(
        required=False, initial=True, label="Backups may go there. Off for a store of another console: only read."
    )
    is_default = forms.BooleanField(
        required=False, label="Default: environments without a choice send their backups there"
    )
    reason = ReasonField()

    def __init__(self, *args: Any, known: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("name", "kind", "path", "endpoint", "bucket", "folder") if known else ():
            del self.fields[name]

    def settings(self) -> dict[str, Any]:
        given = {name: self.cleaned_data[name] for name in Store.SETTINGS if name in self.cleaned_data}
        return given | ({"prefix": self.cleaned_data["folder"]} if "folder" in self.cleaned_data else {})

    def secrets(self) -> dict[str, str]:
        return {name: str(self.cleaned_data[name] or "") for name in SECRETS}


def _find(account: Account, arguments: dict[str, Any]) -> Store:
    found = Store.objects.filter(name=arguments.pop("name"), retired_at=None).first()
    if found is None:
        raise Http404("There is no store of that name.")
    return found


register_scope(Scope(name="store", find=_find, subject=lambda _: None))


@page("stores/", name="stores", permission="see")
def store_list(request: HttpRequest) -> HttpResponse:
    """Every store in use: where it is, who uses it, what lies there, and what was found when it was last tried."""
    rows: list[Store | None] = [None, *Store.objects.filter(retired_at=None)]
    used = {each.label: stores.names_for(each) for each in Environment.objects.order_by("-order")}
    state = BackupCopy.State
    counts = {
        row["store"]: row
        for row in BackupCopy.objects.order_by().values("store").annotate(
            good=Count("id", filter=Q(state=state.GOOD)), bad=Count("id", filter=Q(state=state.BAD)),
            missing=Count("id", filter=Q(state=state.MISSING)),
        )
    }  # fmt: skip
    lines = [_line(row, used, counts) for row in rows]
    rights = rights_of(request)
    return show(
        request, "lifecycle/stores.html", title="Stores", crumbs=[], stores=lines, keys=TrustedKey.objects.all(),
        may_change=rights.can("administer"), may_audit=rights.can("audit"),
    )  # fmt: skip


def _line(row: Store | None, used: Mapping[str, tuple[str, ...]], counts: Mapping[str, Any]) -> dict[str, Any]:
    name = row.name if row else stores.LOCAL
    told: dict[str, Any] = {"name": name, "row": row, "counts": counts.get(name)}
    told["first"] = [label for label, order in used.items() if order[0] == name]
    told["copies"] = [label for label, order in used.items() if name in order[1:]]
    return told


@page("new-store/", name="store-add", permission="administer", methods=("GET", "POST"))
@sensitive_post_parameters(*SECRETS)
def add_store(request: HttpRequest) -> HttpResponse:
    """Ask for a store more; it is tried before, and what does not work yet is told to whoever confirms it."""
    form = StoreForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            parameters = asking.addition(form.cleaned_data["name"], form.settings(), **form.secrets())
            return ask(request, "store.add", parameters, reason=form.cleaned_data["reason"])
        except OpsError as error:
            form.refuse(error)
    return show(request, "lifecycle/store_form.html", title="Add a store", crumbs=CRUMBS, form=form)


@page("stores/<slug:name>/edit/", name="store-edit", permission="administer", scope="store", methods=("GET", "POST"))
@sensitive_post_parameters(*SECRETS)
def edit_store(request: HttpRequest, store: Store) -> HttpResponse:
    """Ask for other settings; where it is does not change."""
    kept = {name: getattr(store, name) for name in Store.SETTINGS}
    form = StoreForm(request.POST or None, initial=kept, known=True)
    if request.method == "POST" and form.is_valid():
        try:
            parameters = asking.edition(store, form.settings(), **form.secrets())
            return ask(request, "store.edit", parameters, reason=form.cleaned_data["reason"])
        except OpsError as error:
            form.refuse(error)
    return show(
        request, "lifecycle/store_form.html", title=f"Change the store {store.name}", crumbs=CRUMBS, form=form,
        store=store,
    )  # fmt: skip


@page("stores/<slug:name>/check/", name="store-check", permission="administer", scope="store", methods=("POST",))
def check_store(request: HttpRequest, store: Store) -> HttpResponse:
    """Try it now; the list says what was found."""
    found = checking.check(store.name)
    if found.code == "ok":
        messages.success(request, f"The store {store.name} works. {' '.join(found.notes)}".strip())
    else:
        messages.error(request, f"The store {store.name} does not work ({found.code}). {found.why} {found.next_step}")
    return redirect("stores")


@page("stores/<slug:name>/retire/", name="store-retire", permission="administer", scope="store", methods=("POST",))
def retire_store(request: HttpRequest, store: Store) -> HttpResponse:
    """Ask for it not to be used any more."""
    return ask(request, "store.retire", asking.retirement(store), reason=said(request, "reason"))


@page(
    "stores/<slug:name>/rebuild/", name="store-rebuild", permission="administer", scope="store",
    methods=("GET", "POST"), act="listing what lies in a store",
)  # fmt: skip
def rebuild(request: HttpRequest, store: Store) -> HttpResponse:
    """What lies there and is not listed, and what would not be and why; then asking for it to be listed."""
    renamed = said(request, "renamed") if request.method == "POST" else request.GET.get("renamed", "").strip()
    if request.method == "POST":
        given = {"store": store.name, "renamed": names({"renamed": renamed}, "renamed")}
        return ask(request, REBUILD, given, reason=said(request, "reason"))
    entries = catalogue.look(store.name, renames(names({"renamed": renamed}, "renamed")))
    return show(
        request, "lifecycle/store_rebuild.html", title=f"What lies in the store {store.name}", crumbs=CRUMBS,
        crumb="What lies there", store=store, renamed=renamed, fresh=catalogue.to_list(entries),
        refused=[entry for entry in entries if entry.state == "refused"],
        listed=sum(entry.state == "listed" for entry in entries),
    )  # fmt: skip


@page("trust-key/", name="trust-key", permission="administer", methods=("POST",))
def trust_key(request: HttpRequest) -> HttpResponse:
    """Ask for what another console has signed to be believed."""
    given = {"line": said(request, "line"), "label": said(request, "label")}
    return ask(request, "key.trust", given, reason=said(request, "reason"))
