"""The one base of every admin class: people look here, and change things by request elsewhere."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.contrib.admin import AdminSite
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from opsconsole.models import Account
from opsconsole.pages.base import rights_of


class ReadOnlyAdmin(ModelAdmin):
    """A list and a page to read. No form, no action, no COUNT, no filter that scans; rows the account may see.

    `needs` is the key of permissions.ACTIONS that opens the list. `visible` narrows the rows further.
    """

    needs: ClassVar[str] = "see"
    actions = None
    list_per_page = 50
    show_full_result_count = False
    paginator = InfinitePaginator
    list_filter_sheet = False
    search_help_text = "The beginning of a name."

    def __init__(self, model: type[Model], admin_site: AdminSite) -> None:
        super().__init__(model, admin_site)
        self.readonly_fields = self.fields or ()

    def visible(self, account: Account, rows: QuerySet[Any]) -> QuerySet[Any]:
        """The rows of this list that the account may see."""
        return rows

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return self.visible(account_of(request), super().get_queryset(request))

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Only what the filters beside the list ask for: any other could read a hidden column letter by letter."""
        return lookup in {f"{name}__{ending}" for name in self.list_filter for ending in ("exact", "isnull")}

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return rights_of(request).can(self.needs)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def view_on_site(self, obj: Any) -> str | None:
        """The page made for people, which says more than this one."""
        return obj.get_absolute_url() if hasattr(obj, "get_absolute_url") else None


def account_of(request: HttpRequest) -> Account:
    """Who asks; for somebody who has not logged in, every permission says no."""
    return cast(Account, request.user)
