"""Health: a small cheap look at a database, kept as a series."""

from __future__ import annotations

from django.db import models

from opsconsole.models import Database


class HealthSample(models.Model):
    """One look. `figures` are numbers and words of the server (latency_ms, size_bytes, role, connections,
    longest_transaction_seconds); `checks` are rows by the names of the rules that are marked as health, null for one
    that could not be asked. `problem` says why nothing could be asked at all.
    """

    database = models.ForeignKey(Database, on_delete=models.CASCADE, related_name="health_samples")
    at = models.DateTimeField()
    healthy = models.BooleanField()
    figures = models.JSONField(default=dict)
    checks = models.JSONField(default=dict)
    problem = models.TextField(blank=True)

    class Meta:
        ordering = ["database", "-at"]
        indexes = [models.Index(fields=["database", "-at"], name="health_by_time")]

    def __str__(self) -> str:
        return f"{self.database.name} {'healthy' if self.healthy else 'unhealthy'} at {self.at:%Y-%m-%d %H:%M}"


class HealthWatch(models.Model):
    """One row a database: who looks next, and what the newest look told.

    A look begins with a conditional update of `claimed_at`, so that of any number of tickers one looks. `told` is the
    newest sample with all its reasons (`integrity.health.looking.Look.to_json`), `why` the worst of them in a sentence,
    `since` when it became what it is.
    """

    database = models.OneToOneField(Database, primary_key=True, on_delete=models.CASCADE, related_name="health")
    claimed_at = models.DateTimeField(null=True)
    sampled_at = models.DateTimeField(null=True)
    healthy = models.BooleanField(null=True)
    since = models.DateTimeField(null=True)
    why = models.TextField(blank=True)
    told = models.JSONField(default=dict)

    class Meta:
        ordering = ["database"]

    def __str__(self) -> str:
        return f"health of {self.database.name}"
