"""Who may do what: explicit membership rows, never `is_superuser`.

`can(account, action, database)` is the one question; the admin's own permissions (`has_perm`) follow from it through
`RoleBackend`. A superuser without memberships may look at the admin's lists and nothing else.
"""

from __future__ import annotations

from django.contrib.auth.backends import ModelBackend
from django.db.models import Q, QuerySet

from opsconsole.models import Account, Database, Membership, Operation, OwnerGroup, Role

ACTIONS: dict[str, frozenset[str]] = {
    "see": frozenset(Role.values),
    "see_data": frozenset({Role.ENGINEER, Role.APPROVER, Role.ADMINISTRATOR}),
    "request": frozenset({Role.ENGINEER, Role.APPROVER, Role.ADMINISTRATOR}),
    "note": frozenset({Role.ENGINEER, Role.APPROVER, Role.ADMINISTRATOR}),
    "download": frozenset({Role.ENGINEER, Role.APPROVER, Role.ADMINISTRATOR}),
    "vote": frozenset({Role.APPROVER}),
    "audit": frozenset({Role.AUDITOR, Role.ADMINISTRATOR}),
    "administer": frozenset({Role.ADMINISTRATOR}),
}


def roles_of(account: Account, owner_group: OwnerGroup | None = None) -> frozenset[str]:
    """The roles of the account's person, in one owner group or in any."""
    if not account.is_authenticated or not account.is_active:
        return frozenset()
    rows = Membership.objects.filter(person_id=account.person_id)
    if owner_group is not None:
        rows = rows.filter(owner_group=owner_group)
    return frozenset(rows.values_list("role", flat=True))


class Rights:
    """What an account may do, from one reading of its memberships (pages ask many times)."""

    def __init__(self, account: Account) -> None:
        alive = account.is_authenticated and account.is_active
        rows = Membership.objects.filter(person_id=account.person_id) if alive else Membership.objects.none()
        found = list(rows.values_list("owner_group_id", "role", "owner_group__name"))
        self._held = frozenset((group, role) for group, role, _ in found)
        self.named = frozenset((role, name) for _, role, name in found)  # by the names of owner groups

    @property
    def roles(self) -> frozenset[str]:
        """Its roles in any owner group."""
        return frozenset(role for _, role in self._held)

    def can(self, action: str, subject: Database | Operation | OwnerGroup | None = None) -> bool:
        """Whether the account may do `action` (a key of ACTIONS) on a database, an operation's database, or anywhere.

        An auditor sees and audits everything, whatever the owner group; other roles count within theirs.
        """
        if action in ("see", "audit") and Role.AUDITOR in self.roles:
            return True
        group = _group_of(subject)
        return any(role in ACTIONS[action] and group in (None, owner_group) for owner_group, role in self._held)


def can(account: Account, action: str, subject: Database | Operation | OwnerGroup | None = None) -> bool:
    """`Rights(account).can(action, subject)`, for those who ask once."""
    return Rights(account).can(action, subject)


def visible_databases(account: Account) -> QuerySet[Database]:
    """The databases that the account may see."""
    rows = Database.objects.filter(removed_at=None).select_related("environment", "owner_group")
    if Role.AUDITOR in roles_of(account):
        return rows
    groups = Membership.objects.filter(person_id=account.person_id).values("owner_group")
    return rows.filter(owner_group__in=groups) if account.is_active else rows.none()


def visible_operations(account: Account) -> QuerySet[Operation]:
    """The operations on databases that the account may see, and changes of the console that concern its roles."""
    rows = Operation.objects.select_related("database__environment", "requester__person")
    roles = roles_of(account)
    if Role.AUDITOR in roles:
        return rows
    scope = Q(database__in=visible_databases(account)) | Q(requester_person_id=account.person_id)
    if roles & {Role.ADMINISTRATOR, Role.APPROVER}:
        scope |= Q(database=None)
    return rows.filter(scope)


TABLES = frozenset({"opsconsole.import_database", "opsconsole.export_database"})  # opsconsole/resources.py


class RoleBackend(ModelBackend):
    """Passwords as Django checks them; permissions from memberships alone."""

    def user_can_authenticate(self, user: object) -> bool:
        return bool(getattr(user, "is_active", False)) and not user.person.is_service  # type: ignore[attr-defined]

    def has_perm(self, user_obj: Account, perm: str, obj: object = None) -> bool:  # type: ignore[override]
        """`app.verb_model`: looking is for every role, tables of databases for administrators, all else for nobody."""
        if not user_obj.is_active:
            return False
        if perm in TABLES:
            return can(user_obj, "administer")
        verb = perm.partition(".")[2].partition("_")[0]
        return verb == "view" and bool(roles_of(user_obj) or user_obj.is_superuser)

    def has_module_perms(self, user_obj: Account, app_label: str) -> bool:  # type: ignore[override]
        return user_obj.is_active and bool(roles_of(user_obj) or user_obj.is_superuser)


def _group_of(subject: Database | Operation | OwnerGroup | None) -> int | None:
    if isinstance(subject, Operation):
        return subject.database.owner_group_id if subject.database else None
    if isinstance(subject, Database):
        return subject.owner_group_id
    return subject.pk if subject else None
