"""What starts by itself, when, and what became of each time that it was due."""

from __future__ import annotations

from django.db import models

from opsconsole.models.databases import Database
from opsconsole.models.operations import Operation


class Schedule(models.Model):
    """One version of one schedule; rows are never changed. The newest version of a name counts.

    `match` says on which databases: {"databases": [...], "environments": [...], "tags": [...]}, names in each; an
    absent key matches all. `cron` has five fields and is read in `timezone`. `blackouts` are windows as a policy's, in
    the same time zone. A time that nobody started within `late_minutes` is missed. `template` is what its runs were
    approved for once (see opsconsole/approvals/templates.py); empty: each run asks for itself.
    """

    class Missed(models.TextChoices):
        RUN_LATE = "run_late", "run once, late"
        TELL = "tell", "leave it out and tell"

    name = models.SlugField()
    version = models.PositiveIntegerField()
    title = models.CharField(max_length=120)
    kind = models.CharField(max_length=40)
    parameters = models.JSONField(default=dict)
    match = models.JSONField(default=dict)
    cron = models.CharField(max_length=100)
    timezone = models.CharField(max_length=60, default="UTC")
    missed = models.CharField(max_length=10, choices=Missed.choices, default=Missed.RUN_LATE)
    late_minutes = models.PositiveIntegerField(default=720)
    blackouts = models.JSONField(default=list)
    template = models.JSONField(default=dict, db_default={})
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    changed_by = models.ForeignKey(Operation, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["name", "-version"]
        constraints = [models.UniqueConstraint(fields=["name", "version"], name="one_row_a_schedule_version")]

    def __str__(self) -> str:
        return f"{self.title} (version {self.version})"

    def get_absolute_url(self) -> str:
        return f"/schedules/{self.name}/"


class ScheduleSlot(models.Model):
    """What became of one time at which one schedule was due on one database. Append-only: there is one row a time."""

    class State(models.TextChoices):
        STARTED = "started", "started"
        MISSED = "missed", "missed"
        REFUSED = "refused", "refused"
        SKIPPED = "skipped", "left out"

    schedule = models.SlugField()
    version = models.PositiveIntegerField()
    database = models.ForeignKey(Database, on_delete=models.PROTECT, related_name="slots")
    slot = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices)
    operation = models.ForeignKey(Operation, null=True, on_delete=models.PROTECT, related_name="slots")
    why = models.TextField(blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["-slot", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["schedule", "database", "slot"], name="one_row_a_slot"),
        ]
        indexes = [models.Index(fields=["database", "-slot"], name="slot_by_database")]
