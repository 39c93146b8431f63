"""The audit history. Every table here is append-only by trigger, but for the list of what is not sealed yet."""

from __future__ import annotations

from django.db import models


class AuditEvent(models.Model):
    """One event. `payload` is the truth (exact canonical bytes); the other columns index it, and verify compares."""

    uid = models.CharField(max_length=36, unique=True)  # UUIDv7
    payload = models.BinaryField()
    type = models.CharField(max_length=60)
    at = models.DateTimeField()
    actor = models.CharField(max_length=120)  # "person:12", "system:root", "worker:host"
    actor_name = models.CharField(max_length=150)
    outcome = models.CharField(max_length=20)
    operation_id = models.BigIntegerField(null=True)
    database_id = models.BigIntegerField(null=True)
    database_name = models.CharField(max_length=63, blank=True)
    kind = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["actor", "-id"], name="audit_by_actor"),
            models.Index(fields=["operation_id", "-id"], name="audit_by_operation"),
            models.Index(fields=["database_id", "-id"], name="audit_by_database"),
            models.Index(fields=["type", "-id"], name="audit_by_type"),
            models.Index(fields=["kind", "-id"], name="audit_by_kind"),
            models.Index(fields=["at", "id"], name="audit_by_time"),
            models.Index(fields=["outcome", "-id"], name="audit_by_outcome"),
        ]


class AuditPending(models.Model):
    """Events that the sealer has not chained yet; the only audit rows that are ever deleted."""

    event = models.OneToOneField(AuditEvent, primary_key=True, on_delete=models.PROTECT, related_name="pending")


class AuditSeal(models.Model):
    """A link of the chain: `hash` = SHA256(0x01 || previous hash || seq as 8 bytes || SHA256(0x00 || payload))."""

    seq = models.BigIntegerField(primary_key=True)
    event = models.OneToOneField(AuditEvent, on_delete=models.PROTECT, related_name="seal")
    previous = models.BinaryField()
    hash = models.BinaryField()


class AuditCheckpoint(models.Model):
    """A signed statement of the chain's head, also appended to a file outside the database."""

    seq = models.BigIntegerField(unique=True)
    note = models.TextField()  # the signed note, word for word
    key_id = models.CharField(max_length=16)
    at = models.DateTimeField()
