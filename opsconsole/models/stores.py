"""Places for artifacts beside the console's own folder, and keys of other consoles that it trusts."""

from __future__ import annotations

from typing import Any

from django.db import models

from opsconsole.models.databases import NAME
from opsconsole.plans import canonical_json, digest_of


class Store(models.Model):
    """A folder, or a bucket of a server that speaks S3. What decides where data goes is guarded.

    `credentials_sealed` holds the key and its secret as one encrypted JSON object; or two environment variables are
    named. A store that is not `writable` is only read: one that belongs to another console. `facts` are what the last
    check found (see stores/checking.py), or `problem` what kept it from working.
    """

    class Kind(models.TextChoices):
        FOLDER = "folder", "folder"
        S3 = "s3", "S3"

    SETTINGS = (
        "kind", "path", "endpoint", "region", "bucket", "prefix", "path_style", "certificates", "access_key_env",
        "secret_key_env", "quota_mib", "writable", "is_default",
    )  # fmt: skip

    name = models.CharField(max_length=63, unique=True, validators=[NAME])
    kind = models.CharField(max_length=10, choices=Kind.choices)
    path = models.CharField(max_length=300, blank=True)
    endpoint = models.CharField(max_length=300, blank=True)
    region = models.CharField(max_length=40, blank=True)
    bucket = models.CharField(max_length=63, blank=True)
    prefix = models.CharField(max_length=200, blank=True)
    path_style = models.BooleanField(default=True)
    certificates = models.CharField(max_length=300, blank=True)
    credentials_sealed = models.TextField(blank=True, editable=False)
    access_key_env = models.CharField(max_length=80, blank=True)
    secret_key_env = models.CharField(max_length=80, blank=True)
    quota_mib = models.BigIntegerField(null=True, blank=True)
    writable = models.BooleanField(default=True)
    is_default = models.BooleanField(default=False)
    marked = models.BooleanField(default=False, editable=False)  # it carries this console's mark
    facts = models.JSONField(default=dict, editable=False)
    problem = models.JSONField(default=dict, editable=False)  # {"class", "why", "next"}
    checked_at = models.DateTimeField(null=True, editable=False)
    written_at = models.DateTimeField(null=True, editable=False)
    retired_at = models.DateTimeField(null=True, editable=False)
    changed_by = models.ForeignKey(
        "opsconsole.Operation", null=True, editable=False, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=models.Q(is_default=True), name="one_default_store"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def display(self) -> str:
        """Where it is, without secrets."""
        if self.kind == self.Kind.FOLDER:
            return self.path
        return f"{self.endpoint or f'AWS {self.region}'} · {self.bucket}/{self.prefix}"

    @property
    def address(self) -> str:
        """The digest of its settings and of how its credentials are kept: what a change of it relies on."""
        told: dict[str, Any] = {name: getattr(self, name) for name in self.SETTINGS}
        return digest_of(canonical_json(told | {"sealed": self.credentials_sealed, "retired": bool(self.retired_at)}))


class TrustedKey(models.Model):
    """The public half of another console's key for manifests; what it signed may be adopted and restored here."""

    key_id = models.CharField(max_length=16, unique=True)
    line = models.CharField(max_length=200)  # as in keys/manifest.pub
    label = models.CharField(max_length=120)
    trusted_at = models.DateTimeField()
    changed_by = models.ForeignKey("opsconsole.Operation", null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["label", "key_id"]
