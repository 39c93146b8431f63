"""The databases that the console manages, and the environments they are in."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models

from opsconsole.models.people import Account, OwnerGroup
from opsconsole.plans import digest_of

NAME = RegexValidator(
    r"\A[a-z0-9][a-z0-9_-]{0,62}\Z",
    "Use up to 63 lower-case letters, digits, - and _, starting with a letter or digit.",
)


class Environment(models.Model):
    """Where a database stands. `protected` and `stores` change in a confirmed change only (a trigger sees to it)."""

    name = models.CharField(max_length=63, unique=True, validators=[NAME])
    label = models.CharField(max_length=80)
    protected = models.BooleanField(default=False)
    order = models.PositiveSmallIntegerField(default=0)
    colour = models.CharField(max_length=20, default="grey")
    stores = models.JSONField(default=list, blank=True, db_default=[])  # names; the first takes backups, others a copy
    changed_by = models.ForeignKey(
        "opsconsole.Operation", null=True, editable=False, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["order", "name"]

    def __str__(self) -> str:
        return self.label


class Database(models.Model):
    """A managed database. Its URL is kept encrypted, or in an environment variable that is only named here.

    `identity` is what the target said of itself when it was last asked; two rows of one identity are one target, and
    the strictest environment of them counts. URL, environment, owner group, guarded tables and existence change only
    through a confirmed change once the bootstrap is over (a trigger sees to it).
    """

    name = models.CharField(max_length=63, unique=True, validators=[NAME])
    engine = models.CharField(max_length=20)
    url_sealed = models.TextField(blank=True, editable=False)
    url_env = models.CharField(
        max_length=80, blank=True, help_text="Name of the environment variable that holds the URL."
    )
    display = models.CharField(max_length=300, help_text="The URL without its secrets.")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="databases")
    owner_group = models.ForeignKey(OwnerGroup, on_delete=models.PROTECT, related_name="databases")
    queue = models.CharField(
        max_length=63, default="default", validators=[NAME], help_text="Workers listening on this queue serve it."
    )
    tags = models.JSONField(default=list, blank=True)
    guarded_tables = models.JSONField(default=list, blank=True)
    masked_columns = models.JSONField(
        default=list, blank=True, help_text="Columns (table.column or column) whose values are never shown."
    )
    target_hours = models.PositiveIntegerField(
        default=0, db_default=0, help_text="How old its newest good backup may become; 0: as its environment has it."
    )
    identity = models.CharField(max_length=300, blank=True, editable=False, db_index=True)
    incarnation = models.CharField(max_length=300, blank=True, editable=False)
    server_version = models.CharField(max_length=60, blank=True, editable=False)
    seen_at = models.DateTimeField(null=True, editable=False)
    problem = models.TextField(blank=True, editable=False, help_text="What was wrong when it was last asked.")
    created_at = models.DateTimeField(auto_now_add=True)
    removed_at = models.DateTimeField(null=True, blank=True, editable=False)
    changed_by = models.ForeignKey(
        "opsconsole.Operation", null=True, editable=False, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["environment__order", "name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return f"/databases/{self.name}/"

    @property
    def address(self) -> str:
        """The digest of how its URL is kept, by which the history tells whether somebody put another one there."""
        return digest_of(f"{self.url_sealed}\n{self.url_env}".encode())


class DatabaseNote(models.Model):
    """A dated sentence in a database's history, for what was changed by hand."""

    database = models.ForeignKey(Database, on_delete=models.PROTECT, related_name="notes")
    author = models.ForeignKey(Account, null=True, on_delete=models.PROTECT, related_name="+")
    author_name = models.CharField(max_length=150)  # a person's name, or system:USER at a shell
    at = models.DateTimeField()
    text = models.TextField(max_length=4000)

    class Meta:
        ordering = ["-at", "-id"]
