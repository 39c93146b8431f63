"""Backups that are listed, and the right to download one."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import models

from lifecycle.models.patches import Patch
from opsconsole.models import Account, Database, Operation

UNDATED = datetime(1970, 1, 1, tzinfo=UTC)  # the moment of one whose manifest names a time that was still to come
PORTABLE = "json"  # the format of a backup whose content is a document: rows without a schema


class Backups(models.QuerySet["Backup"]):
    """Rows of backups, and which of them are there to be used."""

    def present(self) -> Backups:
        """Neither in the trash nor deleted."""
        return self.filter(trashed_at=None).exclude(state=Backup.State.EXPIRED)

    def complete(self) -> Backups:
        """Those that bring a whole database back: its schema and every table."""
        return self.filter(part="").exclude(format=PORTABLE)

    def good(self) -> Backups:
        """Present, and not found damaged: what may be restored."""
        return self.filter(trashed_at=None, state=Backup.State.GOOD)


class Backup(models.Model):
    """A published backup: the row exists only when its signed manifest does, or did.

    One that goes is first put in the trash (`trashed_at`), out of reach of restores, until `trash_until`; then its
    manifest is removed (from `deleting_at` on), then its objects, and the row stays as a record, in the state EXPIRED.

    `key` is the folder of its objects in every store where it lies (see BackupCopy). `console` is the instance of the
    console that made it, empty for this one; `operation` is then the change that adopted it.
    `checks` lists what was proven: [{"level": "V1", "at": ...,
    "ok": true, "detail": ..., "operation": ..., "seconds": ..., "where": ..., "restore_seconds": ...}], newest last;
    what a drill proved last, and when damage was found, stand in columns too. `twin` is another one, in another
    format, of the very same moment; both name each other. `started_at` is UNDATED for an adopted one whose manifest
    names a time that was still to come.
    """

    class Purpose(models.TextChoices):
        REQUESTED = "requested", "asked for"
        SAFETY = "safety", "taken before a risky operation"

    class State(models.TextChoices):
        GOOD = "good", "good"
        BAD = "bad", "damaged"
        EXPIRED = "expired", "deleted"

    noun = "backup"

    database = models.ForeignKey(Database, on_delete=models.PROTECT, related_name="backups")
    operation = models.ForeignKey(Operation, on_delete=models.PROTECT, related_name="backups")
    purpose = models.CharField(max_length=20, choices=Purpose.choices, default=Purpose.REQUESTED)
    state = models.CharField(max_length=10, choices=State.choices, default=State.GOOD)
    part = models.CharField(max_length=200, blank=True, default="", db_default="")  # what it leaves out, in words
    twin = models.OneToOneField("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    key = models.CharField(max_length=200)
    console = models.CharField(max_length=64, blank=True, default="", db_default="")
    format = models.CharField(max_length=20)
    engine = models.CharField(max_length=20)
    server_version = models.CharField(max_length=60)
    identity = models.CharField(max_length=300)
    incarnation = models.CharField(max_length=300)
    schema_fingerprint = models.CharField(max_length=71)
    manifest_sha256 = models.CharField(max_length=71)
    recipients = models.TextField(blank=True, default="", db_default="")  # public keys of age, with spaces between them
    tables = models.PositiveIntegerField()
    rows = models.BigIntegerField()
    stored_bytes = models.BigIntegerField()
    plain_bytes = models.BigIntegerField()
    started_at = models.DateTimeField()  # the moment of its snapshot
    finished_at = models.DateTimeField()
    checks = models.JSONField(default=list)
    drilled_at = models.DateTimeField(null=True, blank=True)  # the last V2 that held
    restore_seconds = models.PositiveIntegerField(null=True, blank=True)  # how long it took to restore then
    damaged_at = models.DateTimeField(null=True, blank=True)
    pinned_at = models.DateTimeField(null=True, blank=True)
    pinned_by = models.ForeignKey(Account, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    pin_reason = models.CharField(max_length=300, blank=True)
    pinned_until = models.DateTimeField(null=True, blank=True)  # None: until somebody unpins it
    accepted_at = models.DateTimeField(null=True, blank=True)  # of a safety backup: what came after it is good
    trashed_at = models.DateTimeField(null=True, blank=True)
    trash_until = models.DateTimeField(null=True, blank=True)
    trash_reason = models.CharField(max_length=300, blank=True, default="", db_default="")
    trashed_by = models.ForeignKey(Operation, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    deleting_at = models.DateTimeField(null=True, blank=True)
    expired_at = models.DateTimeField(null=True, blank=True)
    delete_problem = models.TextField(blank=True, default="", db_default="")  # why it is not deleted yet

    objects = Backups.as_manager()

    class Meta:
        ordering = ["-started_at", "-id"]
        indexes = [
            models.Index(fields=["database", "-started_at"], name="backup_by_database"),
            models.Index(fields=["database", "-drilled_at"], name="backup_by_drill"),
            models.Index(fields=["-started_at", "-id"], name="backup_by_time"),
            models.Index(fields=["state", "-started_at", "-id"], name="backup_by_state"),
            models.Index(fields=["trash_until"], condition=models.Q(trashed_at__isnull=False), name="backup_in_trash"),
        ]
        constraints = [models.UniqueConstraint(fields=["key", "console"], name="one_backup_a_folder")]

    def __str__(self) -> str:
        return f"backup {self.id} of {self.database.name}"

    def get_absolute_url(self) -> str:
        return f"/backups/{self.id}/"

    @property
    def taken_at(self) -> datetime:
        """The moment of its snapshot."""
        return self.started_at

    @property
    def is_dated(self) -> bool:
        """Whether it is known when it was taken. One of which it is not counts as older than every other."""
        return self.started_at != UNDATED

    @property
    def taken_words(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M:%S} UTC" if self.is_dated else "a moment that nobody knows"

    @property
    def is_present(self) -> bool:
        """Neither in the trash nor deleted."""
        return self.trashed_at is None and self.state != Backup.State.EXPIRED


class BackupCopy(models.Model):
    """That a backup lies in a store, or should: `missing` ones are wanted and not there yet.

    A good one has its manifest there, published last. Damage of one copy is told here, and is none of the others'.
    """

    class State(models.TextChoices):
        MISSING = "missing", "not there yet"
        GOOD = "good", "good"
        BAD = "bad", "damaged"

    backup = models.ForeignKey(Backup, on_delete=models.CASCADE, related_name="copies")
    store = models.CharField(max_length=63)  # a name, `local` for the console's own folder
    state = models.CharField(max_length=10, choices=State.choices)
    made_at = models.DateTimeField(null=True)
    verified_at = models.DateTimeField(null=True)  # when its bytes were last compared with its manifest
    problem = models.TextField(blank=True)
    tried_at = models.DateTimeField(null=True)  # when copying it was last asked for, and by which operation
    asked = models.ForeignKey(Operation, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["backup", "store"], name="one_copy_a_store")]
        indexes = [models.Index(fields=["state", "store"], name="copies_by_state")]


class DownloadGrant(models.Model):
    """A single-use, short right of one account to download one backup, or one patch."""

    backup = models.ForeignKey(Backup, null=True, on_delete=models.PROTECT, related_name="grants")
    patch = models.ForeignKey(Patch, null=True, on_delete=models.PROTECT, related_name="grants")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    operation = models.ForeignKey(Operation, null=True, on_delete=models.PROTECT, related_name="+")
    granted_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(backup=None, patch__isnull=False) | models.Q(backup__isnull=False, patch=None),
                name="grant_of_one_thing",
            )
        ]

    @property
    def item(self) -> Backup | Patch:
        """What it lets somebody download."""
        found = self.backup or self.patch
        assert found is not None  # the constraint sees to that
        return found


class SmokeStatement(models.Model):
    """One SELECT by which a database's people check a restored copy. A row is never changed, only replaced.

    `operation` is the change that another person confirmed; its plan holds the same words.
    """

    database = models.ForeignKey(Database, on_delete=models.PROTECT, related_name="smoke_statements")
    name = models.CharField(max_length=60)
    statement = models.TextField()
    operation = models.ForeignKey(Operation, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField()
    replaced_by = models.ForeignKey(Operation, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["name", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["database", "name"], condition=models.Q(replaced_by=None), name="one_smoke_statement_a_name"
            )
        ]
