"""Reports of integrity checks, and the findings in them."""

from __future__ import annotations

from django.db import models
from django.db.models import Value

from integrity.checks.base import RULE
from opsconsole.models import Database, Operation

SLUG = 12  # digits of a fingerprint that name a finding in an address


class Report(models.Model):
    """What one check found; rows are never changed.

    `critical`, `warning` and `info` count findings by severity, `new` and `new_critical` those that did not stand
    before. `held` lists what was looked at and found sound, as {check, subject, sentence}, with a margin when only a
    sample was; `fixed` what stood and this one, having looked, did not find, as {fingerprint, check, subject, sentence,
    severity}; `gone`, alike, what stood and cannot be asked any more, for its rule or its table is gone. `carried` are
    ids of findings of earlier reports that this one did not look at, so that they still stand; with these,
    `open_critical`, `open_warning` and `open_info` count what stands. `off` are the rules that were switched off, as
    {rule, operation, findings}: the change that says so, and ids of findings of earlier reports that stood when nobody
    looked any more, which is why they are not counted. `tables` are rows by table, as of this moment; `facts` what else
    there is to say (sampling, seconds).
    """

    class Mode(models.TextChoices):
        FULL = "full", "everything"
        QUICK = "quick", "critical only"

    operation = models.OneToOneField(Operation, primary_key=True, on_delete=models.PROTECT, related_name="report")
    database = models.ForeignKey(Database, on_delete=models.PROTECT, related_name="reports")
    mode = models.CharField(max_length=8, choices=Mode.choices)
    category = models.CharField(max_length=60, blank=True)  # when only one was looked at
    rule = models.CharField(max_length=120, blank=True)  # a rule's or a check's name, when only that was looked at
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    critical = models.PositiveIntegerField()
    warning = models.PositiveIntegerField()
    info = models.PositiveIntegerField()
    new = models.PositiveIntegerField()
    new_critical = models.PositiveIntegerField()
    held = models.JSONField()
    fixed = models.JSONField()
    gone = models.JSONField(default=list, db_default=Value([], models.JSONField()))
    carried = models.JSONField(default=list, db_default=Value([], models.JSONField()))
    off = models.JSONField(default=list, db_default=Value([], models.JSONField()))
    open_critical = models.PositiveIntegerField(default=0, db_default=0)
    open_warning = models.PositiveIntegerField(default=0, db_default=0)
    open_info = models.PositiveIntegerField(default=0, db_default=0)
    tables = models.JSONField()
    facts = models.JSONField()
    content_sha256 = models.CharField(max_length=71)  # over the canonical bytes of it and its findings

    class Meta:
        ordering = ["-operation_id"]
        indexes = [models.Index(fields=["database", "-operation"], name="report_by_database")]

    def __str__(self) -> str:
        return f"report {self.operation_id} of {self.database.name}"

    def get_absolute_url(self) -> str:
        return f"/integrity/{self.pk}/"

    @property
    def is_whole(self) -> bool:
        """Whether everything was looked at that there is to look at."""
        return self.mode == self.Mode.FULL and not self.category and not self.rule

    @property
    def set_aside(self) -> list[int]:
        """Ids of the findings of rules that were off."""
        return [finding for each in self.off for finding in each["findings"]]

    @property
    def looked_at(self) -> str:
        """`everything`, `what can be critical`, `what can be critical of Orphaned Records`, `only unused_indexes`."""
        if self.rule:
            return f"only {self.rule}"
        which = "everything" if self.mode == self.Mode.FULL else "what can be critical"
        return f"{which} of {self.category}" if self.category else which


class Finding(models.Model):
    """One fault in one report; see `integrity.checks.base.Found`. `sample` holds masked values only."""

    report = models.ForeignKey(Report, on_delete=models.PROTECT, related_name="findings")
    fingerprint = models.CharField(max_length=71)
    check_name = models.CharField(max_length=120)
    subject = models.TextField()
    table = models.TextField(blank=True)
    severity = models.CharField(max_length=8)
    category = models.CharField(max_length=60)
    sentence = models.TextField()
    count = models.BigIntegerField()
    of = models.BigIntegerField(null=True)
    margin = models.TextField(blank=True)  # how exact the count is, in words; empty when it is exact
    sample = models.JSONField(null=True)  # {"columns": [...], "rows": [[...], ...]}
    query = models.TextField(blank=True)
    why = models.TextField()
    next_step = models.TextField()
    proposals = models.JSONField()
    rule = models.JSONField(null=True)  # that somebody may confirm, when this is a guess
    failed = models.BooleanField()  # it could not be looked at, which is a finding of its own
    is_new = models.BooleanField()
    since = models.DateTimeField()  # of the first report in a row that has it

    class Meta:
        ordering = ["report", "id"]
        constraints = [models.UniqueConstraint(fields=["report", "fingerprint"], name="finding_once_a_report")]

    def __str__(self) -> str:
        return self.sentence

    def get_absolute_url(self) -> str:
        return f"/integrity/{self.report_id}/findings/{self.slug}/"

    @property
    def rule_name(self) -> str:
        """The rule of people that it is of; empty for what a check found."""
        return self.check_name.removeprefix(RULE) if self.check_name.startswith(RULE) else ""

    @property
    def slug(self) -> str:
        """The beginning of its fingerprint, which is the same in every report."""
        return self.fingerprint.rpartition(":")[2][:SLUG]
