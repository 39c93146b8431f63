"""Operations: the rows that are the truth about what was asked, who agreed, what runs and how it ended."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from opsconsole.models.databases import Database
from opsconsole.models.people import Account, Person, Token
from opsconsole.plans import Plan
from opsconsole.states import ACTIVE, FACES, TERMINAL, Face, State


class Operation(models.Model):
    """One operation. Only opsconsole/transitions.py writes `state`; triggers guard digest, votes and endings."""

    kind = models.CharField(max_length=40)
    state = models.CharField(max_length=20, choices=[(s, FACES[s].word) for s in State], default=State.PLANNED)
    state_reason = models.TextField(blank=True)
    database = models.ForeignKey(Database, null=True, on_delete=models.PROTECT, related_name="operations")
    requester = models.ForeignKey(Account, null=True, on_delete=models.PROTECT, related_name="requested")
    requester_person = models.ForeignKey(Person, null=True, on_delete=models.PROTECT, related_name="requested")
    token = models.ForeignKey(Token, null=True, on_delete=models.PROTECT, related_name="+")
    reason = models.TextField(blank=True)
    retry_of = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="retries")
    parent = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="children")

    # of a schedule's run that was approved once: the change whose votes carry it
    standing = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="carried")

    # the sealed plan and what people must agree to
    plan_text = models.TextField()  # canonical JSON, the exact bytes that the digest covers
    digest = models.CharField(max_length=71)
    plan_format = models.PositiveSmallIntegerField()
    gated = models.BooleanField()
    votes_needed = models.PositiveSmallIntegerField(default=0)
    requirement = models.JSONField(default=dict)  # approvals.Requirement as asked for when requested
    self_confirmed = models.BooleanField(default=False)

    queue = models.CharField(max_length=63, default="default")
    created_at = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)  # the approval is not valid after this
    run_after = models.DateTimeField(null=True)
    published_at = models.DateTimeField(null=True)  # when its hint was last sent to the broker
    waiting_for = models.CharField(max_length=300, blank=True)  # who holds the target while this one is queued
    started_at = models.DateTimeField(null=True)
    deadline_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    # the lease
    fence = models.BigIntegerField(null=True)
    runner_fence = models.BigIntegerField(null=True)  # of the last claim; recovery takes new fences and leaves it alone
    lost_at = models.DateTimeField(null=True)  # when its worker was first missed
    worker = models.CharField(max_length=120, blank=True)
    claim_nonce = models.CharField(max_length=40, blank=True)
    lease_until = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    cancel_requested_by = models.ForeignKey(Account, null=True, on_delete=models.PROTECT, related_name="+")

    # what the run says of itself
    progress = models.JSONField(default=dict)  # {"step", "done", "total", "unit", "since": when the step began}
    progress_at = models.DateTimeField(null=True)
    witness = models.JSONField(default=dict)  # stored just before the commit point
    committed_at = models.DateTimeField(null=True)
    result = models.JSONField(default=dict)  # {"summary", ...}
    failure_code = models.CharField(max_length=60, blank=True)
    failure_why = models.TextField(blank=True)
    failure_next = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["state", "run_after"], name="op_by_state"),
            models.Index(fields=["state", "-id"], name="op_listed_by_state"),
            models.Index(fields=["database", "-id"], name="op_by_database"),
            models.Index(fields=["kind", "-id"], name="op_by_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.database.name if self.database else 'the console'} ({self.id})"

    def get_absolute_url(self) -> str:
        return f"/operations/{self.id}/"

    @property
    def plan(self) -> Plan:
        return Plan.from_bytes(self.plan_text)

    @property
    def face(self) -> Face:
        return FACES[State(self.state)]

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE

    @property
    def is_terminal(self) -> bool:
        return self.state in TERMINAL


class OperationTarget(models.Model):
    """A database that an operation touches. The unique constraint is what keeps two from working on one target."""

    operation = models.ForeignKey(Operation, on_delete=models.PROTECT, related_name="targets")
    database = models.ForeignKey(Database, on_delete=models.PROTECT, related_name="operation_targets")
    identity = models.CharField(max_length=300)
    role = models.CharField(max_length=20)  # target, source, shared
    active = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["identity"], condition=Q(active=True) & ~Q(role="shared"), name="one_active_operation_a_target"
            ),
            models.UniqueConstraint(fields=["operation", "role"], name="one_target_a_role"),
        ]


class OperationSecret(models.Model):
    """A secret that was handed over for one operation, encrypted.

    `transitions.move` removes it when that ends, or when nobody can know how it did: nothing of it runs any more then.
    """

    operation = models.ForeignKey(Operation, on_delete=models.PROTECT, related_name="secrets")
    name = models.CharField(max_length=40)
    value_sealed = models.TextField(editable=False)
    changed_by = models.ForeignKey(Operation, null=True, editable=False, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["operation", "name"], name="one_secret_a_name")]


class OperationLine(models.Model):
    """One line of an operation's live log: control characters stripped, at most 4 KiB, no secrets."""

    operation = models.ForeignKey(Operation, on_delete=models.PROTECT, related_name="lines")
    fence = models.BigIntegerField()
    at = models.DateTimeField()
    text = models.CharField(max_length=4096)

    class Meta:
        ordering = ["id"]


class FenceCounter(models.Model):
    """One row that hands out fences, each larger than every one before it."""

    value = models.BigIntegerField(default=0)


class Installation(models.Model):
    """One row: which home (its `keys/instance`) this console belongs to, and whether its store carries its mark."""

    instance = models.CharField(max_length=16)
    has_store = models.BooleanField(default=False)


class WorkerHost(models.Model):
    """A ticker that was seen lately: which host, which queues, which version."""

    name = models.CharField(max_length=120, unique=True)
    queues = models.JSONField(default=list)
    version = models.CharField(max_length=40, blank=True)
    tools = models.JSONField(default=dict)
    clock_seconds = models.FloatField(default=0)  # by how much its clock is ahead of the console's database
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
