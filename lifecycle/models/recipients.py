"""For whom the backups of an environment are encrypted."""

from __future__ import annotations

from django.db import models

from opsconsole.models import Environment, Operation


class Recipient(models.Model):
    """A public key of age that backups of an environment are encrypted for. A row is never changed, only retired.

    `operation` is the change that another person confirmed; its plan holds the same key, role and label.
    """

    class Role(models.TextChoices):
        OPS = "ops", "operations"
        ESCROW = "escrow", "escrow"

    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="recipients")
    label = models.CharField(max_length=60)
    public_key = models.CharField(max_length=100)
    role = models.CharField(max_length=10, choices=Role.choices)
    operation = models.ForeignKey(Operation, on_delete=models.PROTECT, related_name="+")
    added_at = models.DateTimeField()
    retired_by = models.ForeignKey(Operation, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["environment", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "public_key"],
                condition=models.Q(retired_by=None),
                name="one_recipient_a_key",
            )
        ]

    def __str__(self) -> str:
        return f"{self.label} ({self.public_key})"
