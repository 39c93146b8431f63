"""How long backups are kept: rules by scope, legal holds, and where the passes that apply them stand."""

from __future__ import annotations

from django.db import models

from lifecycle.models.backups import Backup
from opsconsole.models import Database, Operation


class RetentionRule(models.Model):
    """One version of the rule of one scope; rows are never changed. The newest version in effect counts.

    `scope` is `default`, `environment/NAME` or `database/NAME`; the narrowest one that has a rule decides. The numbers
    say how many backups are kept: the last ones, and the newest of so many hours, days, weeks, months and years, whose
    borders are those of `time_zone`. `operation` is the change that another person confirmed.
    """

    scope = models.CharField(max_length=80)
    version = models.PositiveIntegerField()
    last = models.PositiveSmallIntegerField(default=0)
    hourly = models.PositiveSmallIntegerField(default=0)
    daily = models.PositiveSmallIntegerField(default=0)
    weekly = models.PositiveSmallIntegerField(default=0)
    monthly = models.PositiveSmallIntegerField(default=0)
    yearly = models.PositiveSmallIntegerField(default=0)
    time_zone = models.CharField(max_length=63, default="UTC")
    keeps_all = models.BooleanField(default=False)
    move_days = models.PositiveIntegerField(default=0, db_default=0)  # older ones move to the store `move_to`; 0: none
    move_to = models.CharField(max_length=63, blank=True, default="", db_default="")
    enabled = models.BooleanField(default=True)  # False: the rule of the next wider scope counts again
    effective_at = models.DateTimeField()
    created_at = models.DateTimeField()
    operation = models.ForeignKey(Operation, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["scope", "-version"]
        constraints = [models.UniqueConstraint(fields=["scope", "version"], name="one_row_a_retention_version")]

    def __str__(self) -> str:
        return f"retention of {self.scope} (version {self.version})"


class Hold(models.Model):
    """A legal hold: nothing deletes what it is on. A row is set and lifted by confirmed changes, and by nothing else.

    Without a `backup` it is on every backup of the database, those to come too.
    """

    database = models.ForeignKey(Database, on_delete=models.PROTECT, related_name="holds")
    backup = models.ForeignKey(Backup, null=True, blank=True, on_delete=models.PROTECT, related_name="holds")
    reason = models.CharField(max_length=300)
    until = models.DateTimeField(null=True, blank=True)  # None: until somebody lifts it
    set_at = models.DateTimeField()
    operation = models.ForeignKey(Operation, on_delete=models.PROTECT, related_name="+")
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.ForeignKey(Operation, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"hold {self.id} on {self.backup or self.database.name}"


class RetentionPass(models.Model):
    """One row: when the last pass was, by the console's clock and by the clocks of the hosts that made one.

    `anchors` holds, by a host's boot id, the console's time and the seconds since that boot at its first pass:
    [[ISO time, seconds]]. While `paused_at` is set nothing is moved to the trash and nothing is deleted; only a
    confirmed change (`operation`) ends that.
    """

    last_at = models.DateTimeField(null=True)
    anchors = models.JSONField(default=dict)
    paused_at = models.DateTimeField(null=True)
    paused_why = models.TextField(blank=True)
    operation = models.ForeignKey(Operation, null=True, on_delete=models.PROTECT, related_name="+")


class RetentionStop(models.Model):
    """More than half of a database's backups would go, so none does until another person has agreed to these."""

    database = models.OneToOneField(Database, on_delete=models.PROTECT, related_name="retention_stop")
    going = models.PositiveIntegerField()
    of = models.PositiveIntegerField()
    since = models.DateTimeField()
