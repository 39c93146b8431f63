"""Policies, votes and the single-use grants under which a gated operation runs."""

from __future__ import annotations

from django.db import models

from opsconsole.models.operations import Operation
from opsconsole.models.people import Account, Person


class Policy(models.Model):
    """One version of one policy; rows are never changed. The newest version of a name that is in effect counts.

    `match` limits where it applies: {"kinds": [...], "environments": [...], "tags": [...]}, an absent key matches all.
    `clauses` are seats: [{"role": "approvers", "count": 1}].
    """

    name = models.SlugField()
    version = models.PositiveIntegerField()
    title = models.CharField(max_length=120)
    match = models.JSONField(default=dict)
    clauses = models.JSONField(default=list)
    min_people = models.PositiveSmallIntegerField(default=1)
    valid_minutes = models.PositiveIntegerField(default=240)
    # how far what an operation would lose may grow after it was approved: in percent, or in rows, the larger
    loss_growth_percent = models.PositiveSmallIntegerField(default=10, db_default=10)
    loss_growth_rows = models.PositiveIntegerField(default=100, db_default=100)
    # how old a rehearsal of a migration may be, and the data it was made on; 0 asks for none
    rehearsal_hours = models.PositiveIntegerField(default=0, db_default=0)
    rehearsal_data_hours = models.PositiveIntegerField(default=0, db_default=0)
    windows = models.JSONField(
        default=list
    )  # [{"days": [0..6], "from": "HH:MM", "to": "HH:MM"}] in UTC; empty = always
    enabled = models.BooleanField(default=True)
    effective_at = models.DateTimeField()
    created_at = models.DateTimeField()
    changed_by = models.ForeignKey(Operation, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        verbose_name_plural = "policies"
        ordering = ["name", "-version"]
        constraints = [models.UniqueConstraint(fields=["name", "version"], name="one_row_a_policy_version")]

    def __str__(self) -> str:
        return f"{self.title} (version {self.version})"


class Vote(models.Model):
    """Append-only. The newest row of a person on a digest is that person's vote; a veto is final."""

    class Decision(models.TextChoices):
        APPROVE = "approve", "approved"
        VETO = "veto", "rejected"
        WITHDRAW = "withdraw", "withdrew the vote"

    operation = models.ForeignKey(Operation, on_delete=models.PROTECT, related_name="votes")
    digest = models.CharField(max_length=71)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="votes")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="votes")
    decision = models.CharField(max_length=10, choices=Decision.choices)
    reason = models.TextField(blank=True)
    auth_at = models.DateTimeField()  # when the password was last asked
    credential = models.CharField(max_length=71)  # fingerprint of the password field when voting
    ip = models.GenericIPAddressField(null=True)
    policy_digest = models.CharField(max_length=71)
    at = models.DateTimeField()

    class Meta:
        ordering = ["id"]


class ExecutionGrant(models.Model):
    """Written when an operation is armed; its uniqueness makes every approval single-use."""

    operation = models.OneToOneField(Operation, on_delete=models.PROTECT, related_name="grant")
    digest = models.CharField(max_length=71)
    fence = models.BigIntegerField()
    at = models.DateTimeField()
    inputs = models.JSONField(default=dict)  # votes, people, policies and preconditions that were checked
