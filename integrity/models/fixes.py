"""Fixes that were carried out, for as long as they can be taken back."""

from __future__ import annotations

from django.db import models

from opsconsole.models import Database, Operation


class Fix(models.Model):
    """What a fix changed is in the managed database, encrypted under this row's key, until `expires_at`.

    A row is made before the commit point, so that its key is known whatever happens then. Once the key is gone,
    nobody can read what is kept, be it still there.
    """

    class State(models.TextChoices):
        BEGUN = "begun", "begun"
        KEPT = "kept", "can be taken back"
        UNDONE = "undone", "taken back"
        DROPPED = "dropped", "no longer kept"

    operation = models.OneToOneField(Operation, primary_key=True, on_delete=models.PROTECT, related_name="fix")
    database = models.ForeignKey(Database, on_delete=models.PROTECT, related_name="fixes")
    state = models.CharField(max_length=8, choices=State.choices, default=State.BEGUN)
    home = models.CharField(max_length=63, blank=True)  # the schema of our table of images, where there are schemas
    rows = models.PositiveIntegerField()
    key_sealed = models.TextField(editable=False)  # "" once nothing is kept any more
    changed_by = models.ForeignKey(Operation, null=True, editable=False, on_delete=models.PROTECT, related_name="+")
    begun_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    undone_by = models.ForeignKey(Operation, null=True, on_delete=models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True)
    tried_at = models.DateTimeField(null=True)  # when letting go of it last did not work

    class Meta:
        ordering = ["-operation_id"]
        indexes = [models.Index(fields=["state", "expires_at"], name="fix_by_expiry")]

    def __str__(self) -> str:
        return f"fix {self.operation_id} of {self.database.name}"
