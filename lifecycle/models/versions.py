"""What a database's people declare of its schema, so that documents can be judged against it."""

from __future__ import annotations

from django.db import models

from opsconsole.models import Database, Operation


class DeclaredVersion(models.Model):
    """Which version a database's schema has, and by which rules older documents are upgraded to it.

    A row is never changed; the newest one counts. `operation` is the change that another person confirmed; its plan
    holds the same words.
    """

    database = models.ForeignKey(Database, on_delete=models.PROTECT, related_name="declared_versions")
    version = models.PositiveIntegerField(null=True)
    version_name = models.CharField(max_length=120, blank=True)
    rules = models.CharField(max_length=20, blank=True)
    operation = models.ForeignKey(Operation, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["database", "-id"], name="version_by_database")]

    def __str__(self) -> str:
        named = f" ({self.version_name})" if self.version_name else ""
        return f"version {self.version}{named}" if self.version is not None else "no version"
