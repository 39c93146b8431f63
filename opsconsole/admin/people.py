"""People, accounts, roles and tokens, to look at. Passwords and token digests are shown to nobody."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth import admin as _groups_are_registered_by_now  # noqa: F401
from django.contrib.auth.models import Group
from django.db.models import QuerySet

from opsconsole.admin.base import ReadOnlyAdmin
from opsconsole.models import Account, Membership, OwnerGroup, Person, Token
from opsconsole.permissions import can

if admin.site.is_registered(Group):  # roles are memberships; Django's groups and permissions decide nothing here
    admin.site.unregister(Group)


@admin.register(Person)
class PersonAdmin(ReadOnlyAdmin):
    list_display = ("name", "email", "is_service", "owner")
    list_filter = ("is_service",)
    list_select_related = ("owner",)
    search_fields = ("^name", "^email")
    fields = ("name", "email", "is_service", "owner")


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    list_display = ("username", "person", "is_active", "must_change_password", "last_login")
    list_filter = ("is_active", "must_change_password")
    list_select_related = ("person",)
    search_fields = ("^username",)
    fields = ("username", "person", "is_active", "is_superuser", "must_change_password", "last_login", "date_joined")


@admin.register(OwnerGroup)
class OwnerGroupAdmin(ReadOnlyAdmin):
    list_display = ("name",)
    fields = ("name",)


@admin.register(Membership)
class MembershipAdmin(ReadOnlyAdmin):
    list_display = ("person", "role", "owner_group", "counts_from")
    list_filter = ("role",)
    list_select_related = ("person", "owner_group")
    search_fields = ("^person__name",)
    fields = ("person", "owner_group", "role", "counts_from", "changed_by")


@admin.register(Token)
class TokenAdmin(ReadOnlyAdmin):
    list_display = ("name", "account", "prefix", "last_used_at", "revoked_at")
    list_select_related = ("account",)
    fields = (
        "name",
        "account",
        "prefix",
        "scopes",
        "databases",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
    )

    def visible(self, account: Account, rows: QuerySet[Token]) -> QuerySet[Token]:
        """One's own, and those of the services one owns; administrators see every one."""
        if can(account, "administer"):
            return rows
        return rows.filter(account__person=account.person) | rows.filter(account__person__owner=account.person)
