"""Rehearsals: what migrations did to a copy. Evidence for whoever is asked to let them into the database itself."""

from __future__ import annotations

from django.db import models

from lifecycle.models.backups import Backup
from opsconsole.models import Database, Operation


class Rehearsal(models.Model):
    """One rehearsal that was carried out, whatever came of it; rows are never changed.

    `units_digest` names exactly what was tried. `backup` is what the copy was made of, null for the live database or
    for nothing; `data_at` is of which moment its rows were, null where there were none. `report` is a
    `rehearsing.trying.Report` as JSON, and `report_sha256` is over its canonical bytes.
    """

    class Mode(models.TextChoices):
        PENDING = "pending", "on a copy"
        FRESH = "fresh", "from nothing"
        BACK = "back", "taking back, on a copy"

    operation = models.OneToOneField(Operation, primary_key=True, on_delete=models.PROTECT, related_name="rehearsal")
    database = models.ForeignKey(Database, on_delete=models.PROTECT, related_name="rehearsals")
    mode = models.CharField(max_length=8, choices=Mode.choices)
    units_digest = models.CharField(max_length=71)
    backup = models.ForeignKey(Backup, null=True, on_delete=models.PROTECT, related_name="rehearsals")
    data_at = models.DateTimeField(null=True)
    schema_fingerprint = models.CharField(max_length=71)  # of the live database, when it was planned
    held = models.BooleanField()
    verdict = models.TextField()
    report = models.JSONField()
    report_sha256 = models.CharField(max_length=71)
    rehearsed_at = models.DateTimeField()

    class Meta:
        ordering = ["-rehearsed_at", "-operation_id"]
        indexes = [models.Index(fields=["database", "units_digest", "-rehearsed_at"], name="rehearsal_newest")]

    def __str__(self) -> str:
        return f"rehearsal {self.operation_id} of {self.database.name}"

    def get_absolute_url(self) -> str:
        return self.operation.get_absolute_url()
