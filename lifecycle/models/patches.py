"""Rows that a restore took away, or could not load, and keeps for a while."""

from __future__ import annotations

from django.db import models

from opsconsole.models import Database, Operation


class Patch(models.Model):
    """A published patch (see lifecycle/patches), until `expires_at`. It has the number of the restore that made it.

    One whose `holds` is REJECTED has the rows of a document that did not fit; nobody puts these back by themselves.
    `key` is its folder in the store; `tables` are the rows it holds by table. A row that is no longer kept may have its
    folder for a moment longer: nothing reads that, and the tick removes it.
    """

    class State(models.TextChoices):
        KEPT = "kept", "kept"
        DROPPED = "dropped", "no longer kept"

    class Holds(models.TextChoices):
        LOST = "lost", "rows that the restore took away"
        REJECTED = "rejected", "rows that did not fit"

    noun = "patch"

    operation = models.OneToOneField(Operation, primary_key=True, on_delete=models.PROTECT, related_name="patch")
    database = models.ForeignKey(Database, on_delete=models.PROTECT, related_name="patches")
    state = models.CharField(max_length=10, choices=State.choices, default=State.KEPT)
    holds = models.CharField(max_length=10, choices=Holds.choices, default=Holds.LOST, db_default=Holds.LOST)
    key = models.CharField(max_length=200, unique=True)
    manifest_sha256 = models.CharField(max_length=71)
    recipients = models.TextField(blank=True, default="", db_default="")  # public keys of age, with spaces between them
    tables = models.JSONField(default=dict)
    rows = models.BigIntegerField()
    stored_bytes = models.BigIntegerField()
    taken_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-operation_id"]
        indexes = [models.Index(fields=["state", "expires_at"], name="patch_by_expiry")]

    def __str__(self) -> str:
        return f"patch {self.pk} of {self.database.name}"

    def get_absolute_url(self) -> str:
        return f"/patches/{self.pk}/"
