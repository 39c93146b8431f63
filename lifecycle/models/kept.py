"""What an operation replaced in a database, and how it can come back."""

from __future__ import annotations

from django.db import models

from lifecycle.models.backups import Backup
from opsconsole.models import Database, Operation


class KeptCopy(models.Model):
    """What one operation replaced, kept until `expires_at` so that the operation can be undone.

    `holds` and `made` number a database's contents by the operation that first made them live (0: what was there before
    any of ours): the copy holds the content `holds`, and the operation made the content `made` live. An undo brings an
    older number back, so what can be undone are the copies whose `made` is the number that is live now.
    """

    class Way(models.TextChoices):
        DATABASE = "database", "a database of its own beside the live one"
        BACKUP = "backup", "the safety backup that was taken first"

    class State(models.TextChoices):
        KEPT = "kept", "kept"
        UNDONE = "undone", "taken back"
        DROPPED = "dropped", "no longer kept"  # a database is gone then; a backup stays, as a backup

    database = models.ForeignKey(Database, on_delete=models.PROTECT, related_name="kept_copies")
    operation = models.OneToOneField(Operation, on_delete=models.PROTECT, related_name="kept_copy")
    way = models.CharField(max_length=10, choices=Way.choices, default=Way.DATABASE)
    state = models.CharField(max_length=10, choices=State.choices, default=State.KEPT)
    name = models.CharField(max_length=63, blank=True)  # of the kept database
    incarnation = models.CharField(max_length=300, blank=True)  # of the kept database
    backup = models.ForeignKey(Backup, null=True, on_delete=models.PROTECT, related_name="kept_as")
    live_incarnation = models.CharField(max_length=300, blank=True)  # of the live database, once the operation was done
    holds = models.BigIntegerField(default=0)
    made = models.BigIntegerField(default=0)
    size_bytes = models.BigIntegerField(default=0)
    kept_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    undone_by = models.OneToOneField(Operation, null=True, on_delete=models.PROTECT, related_name="undid")
    tried_at = models.DateTimeField(null=True)  # when dropping it last failed, and why
    problem = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "kept copies"
        indexes = [models.Index(fields=["state", "expires_at"], name="kept_by_expiry")]

    def __str__(self) -> str:
        return f"what operation {self.operation_id} replaced in {self.database.name}"
