"""Rules: what people say must hold in one database."""

from __future__ import annotations

from django.db import models

from opsconsole.models import Database, Operation


class Rule(models.Model):
    """One rule of a database. A row is never changed: a later change replaces it, and `replaced_by` says which.

    What runs is what another person confirmed: `operation` is that change, and its plan holds the same words. `spec`
    is what the kind of rule needs (see `integrity.rules`), `fix` a proposal's JSON or null. A finding stands when more
    than `threshold` rows break it. `health` is the name under which the health answer counts it, empty for none. One
    that is `off` is kept, and nothing asks it.
    """

    class Severity(models.TextChoices):
        CRITICAL = "critical", "critical"
        WARNING = "warning", "warning"
        INFO = "info", "info"

    database = models.ForeignKey(Database, on_delete=models.PROTECT, related_name="rules")
    name = models.SlugField(max_length=80)
    kind = models.CharField(max_length=20)
    spec = models.JSONField()
    severity = models.CharField(max_length=8, choices=Severity.choices)
    category = models.CharField(max_length=60)
    threshold = models.PositiveBigIntegerField(default=0)
    owner = models.CharField(max_length=120, blank=True)
    hint = models.TextField(blank=True)
    fix = models.JSONField(null=True)
    health = models.CharField(max_length=60, blank=True)
    pack = models.CharField(max_length=60, blank=True)  # where it came from: "avdaily 1"
    off = models.BooleanField(default=False, db_default=False)
    operation = models.ForeignKey(Operation, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField()
    replaced_by = models.ForeignKey(Operation, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["database", "name", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["database", "name"], condition=models.Q(replaced_by=None), name="rule_in_force"
            )
        ]

    def __str__(self) -> str:
        return f"rule {self.name} of {self.database.name}"
