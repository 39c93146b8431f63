"""Reports as files: JSON that proves itself, and tables for spreadsheets (django-import-export, tablib).

A table has one row for each finding, and then for what is fixed, gone, switched off and sound, so that silence is not
mistaken for health. Samples are handed out only to those who may look at the database's rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any

from import_export.fields import Field
from import_export.resources import ModelResource
from import_export.widgets import IntegerWidget

from integrity.models import Finding, Report
from integrity.reporting import content
from integrity.reporting.setting_aside import asides_of
from opsconsole import audit, spreadsheets
from opsconsole.exceptions import Usage
from opsconsole.plans import canonical_json

TYPES = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
MOST_ROWS = 10_000  # of a table, as people can read; the JSON has no limit


class FindingResource(ModelResource):
    """The findings of one report as rows."""

    outcome = Field(column_name="outcome")
    severity = Field("severity", "severity")
    category = Field("category", "category")
    check = Field("check_name", "check")
    subject = Field("subject", "subject")
    sentence = Field("sentence", "sentence")
    count = Field("count", "count", IntegerWidget(coerce_to_string=False))
    of = Field("of", "of", IntegerWidget(coerce_to_string=False))
    margin = Field("margin", "margin")
    since = Field(column_name="since (UTC)")
    table = Field("table", "table")
    why = Field("why", "why")
    next_step = Field("next_step", "what next")
    query = Field("query", "query")
    sample = Field(column_name="sample")
    fingerprint = Field("fingerprint", "fingerprint")

    class Meta:
        model = Finding
        fields = (
            "outcome", "severity", "category", "check", "subject", "sentence", "count", "of", "margin", "since",
            "table", "why", "next_step", "query", "sample", "fingerprint",
        )  # fmt: skip
        export_order = fields

    def __init__(self, *, samples: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.samples = samples

    def dehydrate_outcome(self, finding: Finding) -> str:
        return "not looked at" if finding.failed else "new" if finding.is_new else "still"

    def dehydrate_since(self, finding: Finding) -> datetime:
        return finding.since.astimezone(UTC).replace(microsecond=0, tzinfo=None)

    def dehydrate_sample(self, finding: Finding) -> str:
        if finding.sample is None:
            return ""
        return json.dumps(finding.sample, ensure_ascii=False) if self.samples else "not shown to your role"


def export(report: Report, format: str, *, samples: bool) -> Iterator[bytes]:
    """Record that it is handed out, then give its bytes piece by piece. Raises Usage for an unknown format."""
    if format not in TYPES:
        raise Usage("bad_format", f"A report cannot be had as {format}.", f"Use one of: {', '.join(TYPES)}.")
    audit.record(
        "integrity.exported",
        database=report.database,
        subject=f"report {report.pk}",
        data={"report": report.pk, "format": format, "samples": samples, "content": report.content_sha256},
    )
    return _json(report, samples=samples) if format == "json" else _table(report, format, samples=samples)


def _json(report: Report, *, samples: bool) -> Iterator[bytes]:
    """`{"sha256": ..., "report": ...}`: the digest is over the exact bytes of `report`.

    Without samples it is over other bytes, and `sha256` is left out.
    """
    findings: Iterable[Finding] = report.findings.iterator(chunk_size=100)
    if samples:
        yield b'{"sha256":' + canonical_json(report.content_sha256) + b',"report":'
    else:
        findings = map(_without_sample, findings)
        yield b'{"left_out":["sample"],"report":'
    yield from content.pieces(report, findings)
    yield b"}\n"


def _without_sample(finding: Finding) -> Finding:
    finding.sample = None
    return finding


def _table(report: Report, format: str, *, samples: bool) -> Iterator[bytes]:
    resource = FindingResource(samples=samples)
    headers = resource.get_export_headers()
    off = [{"check": each.check, "sentence": each.sentence} for each in asides_of(report)]
    others = [("fixed", report.fixed), ("gone", report.gone), ("switched off", off), ("sound", report.held)]
    of = report.findings.count() + sum(len(told) for _, told in others)
    rows: Iterator[list[Any]] = islice(_rows(report, resource, headers, others), MOST_ROWS)
    if of > MOST_ROWS:
        note = f"{of - MOST_ROWS} more rows are not in this file: the JSON has all of them."
        rows = chain(rows, [[{"outcome": "left out", "sentence": note}.get(name, "") for name in headers]])
    if format == "xlsx":
        return spreadsheets.workbook(f"report {report.pk}", headers, rows, min(of, MOST_ROWS + 1))
    return spreadsheets.lines(headers, rows)


def _rows(
    report: Report, resource: FindingResource, headers: Sequence[str], others: Sequence[tuple[str, Any]]
) -> Iterator[list[Any]]:
    """One for each finding, and then those that tell what became of the others, and what is sound."""
    for finding in report.findings.iterator(chunk_size=100):
        yield resource.export_resource(finding)
    for outcome, told in others:
        for each in told:
            yield [{"outcome": outcome, **each}.get(name, "") for name in headers]
