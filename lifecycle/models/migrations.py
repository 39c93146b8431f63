"""What was done to databases by migrations, as far as the console did it."""

from __future__ import annotations

from django.db import models

from opsconsole.models import Account, Database, Operation


class MigrationFolder(models.Model):
    """A migration folder, or what tools read of a repository, as somebody brought it for a database.

    `key` is its one object in the store (a tar), `digest` that of `sources.base.Folder`; `files` and `size` count what
    was kept. It never changes, and goes after `expires_at`.
    """

    class State(models.TextChoices):
        KEPT = "kept", "kept"
        EXPIRED = "expired", "no longer kept"

    class Way(models.TextChoices):
        COMMAND = "command", "the command line"
        UPLOAD = "upload", "an upload in the browser"
        ROOT = "root", "a folder of the console's machine"

    noun = "folder"

    database = models.ForeignKey(Database, on_delete=models.PROTECT, related_name="migration_folders")
    state = models.CharField(max_length=10, choices=State.choices, default=State.KEPT)
    name = models.CharField(max_length=200)
    way = models.CharField(max_length=10, choices=Way.choices)
    key = models.CharField(max_length=200, unique=True)
    digest = models.CharField(max_length=71)
    files = models.PositiveIntegerField()
    size = models.BigIntegerField()
    received_by = models.ForeignKey(Account, null=True, on_delete=models.PROTECT, related_name="+")
    received_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["state", "expires_at"], name="folder_by_expiry")]

    def __str__(self) -> str:
        return f"folder {self.pk} ({self.name}) for {self.database.name}"


class MigrationRun(models.Model):
    """One migration that one operation ran, or began.

    `sha256` is of the migration's file as it was then, so that a later edit is known even where the tool keeps no
    checksum; `text_sha256` is of what was run of it (of the down file, for a rollback). Where a tool puts several
    migrations into one transaction, each has a row with the numbers of all of them together.
    """

    class State(models.TextChoices):
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"  # and the tool's own failure state is what the database holds
        LOST = "lost", "begun, and not finished"  # its worker was lost, and the ledger does not have it

    database = models.ForeignKey(Database, on_delete=models.PROTECT, related_name="migration_runs")
    operation = models.ForeignKey(Operation, on_delete=models.PROTECT, related_name="migration_runs")
    tool = models.CharField(max_length=40)
    direction = models.CharField(max_length=10, default="up", db_default="up")  # of its unit
    key = models.CharField(max_length=300)  # what the tool's ledger knows it by
    name = models.CharField(max_length=300)
    sha256 = models.CharField(max_length=64)
    text_sha256 = models.CharField(max_length=64)
    state = models.CharField(max_length=10, choices=State.choices, default=State.RUNNING)
    began_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    seconds = models.FloatField(null=True)  # of its unit
    rows = models.JSONField(default=dict)  # {table: [before, after]}; null where it is not there, or was not counted
    schema_before = models.CharField(max_length=71, blank=True)  # fingerprints
    schema_after = models.CharField(max_length=71, blank=True)
    # Of the schema, by its unit: the first as `differences.Change` has them, and how many there are.
    changes = models.JSONField(default=list, db_default=models.Value([], models.JSONField()))
    changed = models.PositiveIntegerField(default=0, db_default=0)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["operation", "key"], name="one_run_a_migration")]
        indexes = [models.Index(fields=["database", "tool", "key"], name="migration_runs_by_key")]

    def __str__(self) -> str:
        return f"{self.name} on {self.database.name}"
