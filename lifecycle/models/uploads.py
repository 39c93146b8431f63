"""Files that somebody brought from elsewhere, and what a reader found in them."""

from __future__ import annotations

from django.db import models

from lifecycle.documents.base import Summary, summary_from
from opsconsole.models import Account, Database, Operation


class Upload(models.Model):
    """Files as somebody gave them, kept apart until `expires_at`. Nothing reads them but the child of an inspection.

    `key` is their folder in the store; `files` are [{"name": as they called it, "key": below the folder, "size": bytes,
    "sha256": ...}]. `digest` is over names and hashes of all files. The row exists only when all of them are whole.
    """

    class State(models.TextChoices):
        RECEIVED = "received", "received"
        INSPECTING = "inspecting", "being inspected"
        READABLE = "readable", "readable"
        REFUSED = "refused", "refused"
        EXPIRED = "expired", "no longer kept"

    noun = "upload"

    database = models.ForeignKey(Database, on_delete=models.PROTECT, related_name="uploads")
    state = models.CharField(max_length=12, choices=State.choices, default=State.RECEIVED)
    key = models.CharField(max_length=200, unique=True)
    files = models.JSONField(default=list)
    digest = models.CharField(max_length=71)
    size = models.BigIntegerField()
    received_by = models.ForeignKey(Account, null=True, on_delete=models.PROTECT, related_name="+")
    received_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["state", "expires_at"], name="upload_by_expiry")]

    def __str__(self) -> str:
        return f"upload {self.pk} for {self.database.name}"

    def get_absolute_url(self) -> str:
        return f"/uploads/{self.pk}/"

    @property
    def title(self) -> str:
        """The name of its file, or of the first one and how many more there are."""
        first, more = self.files[0]["name"], len(self.files) - 1
        return f"{first} and {more} more file{'s' * (more > 1)}" if more else str(first)


class Inspection(models.Model):
    """What an inspection found in an upload, once and for all: the normalised document, or why there is none.

    `summary` is a `documents.base.Summary` as JSON; `contents` the `formats.base.Contents` of the normalised document
    as JSON, {} where nothing could be read. `document_sha256` is over both, and what a plan binds to.
    """

    upload = models.OneToOneField(Upload, primary_key=True, on_delete=models.PROTECT, related_name="inspection")
    operation = models.OneToOneField(Operation, on_delete=models.PROTECT, related_name="inspection")
    readable = models.BooleanField()
    key = models.CharField(max_length=200, blank=True)  # the folder of the document's objects in the store
    summary = models.JSONField()
    contents = models.JSONField(default=dict)
    document_sha256 = models.CharField(max_length=71)
    inspected_at = models.DateTimeField()

    def read_summary(self) -> Summary:
        return summary_from(self.summary)
