"""Who people are and what they may do. Quorums count persons, never accounts."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth import get_backends
from django.contrib.auth.hashers import acheck_password, check_password
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower


class OwnerGroup(models.Model):
    """A team that owns databases; every role is held within one."""

    name = models.SlugField(unique=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Person(models.Model):
    """A human being (or a service, which has an owner). The e-mail address says who it is."""

    name = models.CharField(max_length=120)
    email = models.EmailField()
    is_service = models.BooleanField(default=False)
    owner = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="services")
    changed_by = models.ForeignKey(
        "opsconsole.Operation", null=True, editable=False, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        verbose_name_plural = "people"
        ordering = ["name"]
        constraints = [models.UniqueConstraint(Lower("email"), name="one_person_per_email")]

    def __str__(self) -> str:
        return self.name


class Account(AbstractUser):
    """A login. A person may have several; they count as one. Its e-mail is the person's."""

    first_name = last_name = email = None  # type: ignore[assignment]
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="accounts")
    must_change_password = models.BooleanField(default=False)
    changed_by = models.ForeignKey(
        "opsconsole.Operation", null=True, editable=False, on_delete=models.PROTECT, related_name="+"
    )

    EMAIL_FIELD = "person__email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ["username"]

    def clean(self) -> None:
        self.username = self.normalize_username(self.username)

    def has_perm(self, perm: str, obj: models.Model | None = None) -> bool:
        """What opsconsole.permissions says; being a superuser adds nothing."""
        return any(backend.has_perm(self, perm, obj) for backend in get_backends() if hasattr(backend, "has_perm"))

    def check_password(self, raw_password: str | None) -> bool:
        """Without Django's silent re-hash: what is stored changes only when somebody sets a password, and is sealed."""
        return check_password(raw_password, self.password)

    async def acheck_password(self, raw_password: str | None) -> bool:
        return await acheck_password(raw_password, self.password)

    def get_full_name(self) -> str:
        return self.person.name

    def get_short_name(self) -> str:
        return self.username


class Role(models.TextChoices):
    """The shipped groups; the value is the group's name on the command line."""

    VIEWER = "viewers", "viewer"
    ENGINEER = "engineers", "engineer"
    APPROVER = "approvers", "approver"
    AUDITOR = "auditors", "auditor"
    ADMINISTRATOR = "administrators", "administrator"


class Membership(models.Model):
    """A role of a person in an owner group.

    A trigger refuses to add, change or remove the roles of approvers and administrators outside a running `change`
    operation (or the bootstrap), whoever writes: form, import, command, shell or fixture.
    """

    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="memberships")
    owner_group = models.ForeignKey(OwnerGroup, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role.choices)
    counts_from = models.DateTimeField(help_text="Votes of a new approver count from here on.")
    changed_by = models.ForeignKey(
        "opsconsole.Operation", null=True, editable=False, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "owner_group", "role"], name="one_membership_per_role")
        ]

    def __str__(self) -> str:
        return f"{self.person} is {self.get_role_display()} of {self.owner_group}"


class CredentialSeal(models.Model):
    """Append-only: the digest of an account's password field and who set it.

    A password that no seal accounts for (set by `changepassword`, by the shell, by another administrator) makes that
    account's votes void until its owner sets a new one with the old one, or a confirmed change does.
    """

    class How(models.TextChoices):
        BOOTSTRAP = "bootstrap", "set while the console was being set up"
        SELF = "self", "set by its owner, who knew the old one"
        CHANGE = "change", "set by a confirmed change"

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="seals")
    fingerprint = models.CharField(max_length=71)  # sha256: of the stored hash
    how = models.CharField(max_length=20, choices=How.choices)
    changed_by = models.ForeignKey("opsconsole.Operation", null=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering = ["id"]


class Token(models.Model):
    """A bearer token of a person or a service. It requests; it never votes. Only its SHA-256 is kept.

    `scopes` are keys of permissions.ACTIONS and `databases` names of databases, both empty for all that its owner may
    do and see. A narrowed token works where that is asked (`opsconsole.tokens.allows`), and nowhere else.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="tokens")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=8, unique=True)
    sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    scopes = models.JSONField(default=list, db_default=[])
    databases = models.JSONField(default=list, db_default=[])

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"

    @property
    def is_narrowed(self) -> bool:
        return bool(self.scopes or self.databases)


class Bootstrap(models.Model):
    """One row: until `closed_at` is set, the first administrator sets the console up alone. It never opens again."""

    closed_at = models.DateTimeField(null=True)
    closed_by = models.ForeignKey(Account, null=True, on_delete=models.PROTECT)
