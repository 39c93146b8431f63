"""Which findings are to be set right, of what somebody asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from integrity.fixing.asking import Wanted
from integrity.models import Finding, Report
from integrity.packs.cleaning import cleanup_of
from integrity.reporting.standing import open_in
from integrity.rules.base import Spec, is_curable
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Database

LATEST, ALL_CRITICAL, ALL = "latest", "critical", "all"
CLEANUP = "cleanup"  # the names that packs remove rows of, in their order


def wanted(database: Database, given: Mapping[str, str], rules: Sequence[Spec]) -> list[Wanted]:
    """The findings by `finding` (of a report) or by `names` (of the health answer). Raises Usage or Refused."""
    if bool(given["finding"]) == bool(given["names"]):
        raise Usage(
            "nothing_chosen",
            "Either findings of a report or names of the health answer are set right.",
            "Choose one of the findings, or names (on the command line: finding=critical, or their fingerprints; "
            "names=all, cleanup, or some).",
        )
    found = _by_name(given["names"], rules) if given["names"] else _by_finding(database, given)
    _refuse_off(found, rules)
    return found


def left_over(database: Database, given: Mapping[str, str], rules: Sequence[Spec]) -> str:
    """What `critical` or `all` does not reach, because nothing is proposed for it; empty where that is nothing."""
    if given["names"] == ALL:
        names = sorted({spec.health for spec in _on(rules) if spec.health and not is_curable(spec)})
        return f"Nothing is proposed for what {', '.join(names)} count{'s' * (len(names) == 1)}." if names else ""
    if given["finding"] != ALL_CRITICAL:
        return ""
    critical = open_in(report_of(database, given["report"] or LATEST), severity="critical")
    left = sum(not _is_curable(row) for row in critical)
    many = f"{left} other critical findings stand on: nothing is proposed for them."
    return many if left > 1 else "1 other critical finding stands on: nothing is proposed for it." * left


def report_of(database: Database, number: str) -> Report:
    """The report of that number, or the latest. Raises Usage."""
    rows = Report.objects.filter(database=database)
    if number != LATEST:
        rows = rows.filter(pk=int(number) if number.isdecimal() and len(number) < 19 else 0)
    found = rows.first()
    if found is None:
        raise Usage("unknown_report", f"There is no such report of {database.name}.", f"Check {database.name} first.")
    return found


def _on(rules: Sequence[Spec]) -> list[Spec]:
    return [spec for spec in rules if not spec.off]


def _refuse_off(found: Sequence[Wanted], rules: Sequence[Spec]) -> None:
    """Raise Refused for what a rule told that is off by now: it may be off because what it finds is no fault."""
    off = {spec.check: spec.name for spec in rules if spec.off}
    names = [off[each.check] for each in found if each.check in off]
    if names:
        raise Refused(
            "rule_is_off",
            f"The rule {names[0]} is switched off, so nothing that it told is set right.",
            "Check the database again and choose what stands then, or have the rule switched on first.",
        )


def _by_finding(database: Database, given: Mapping[str, str]) -> list[Wanted]:
    report = report_of(database, given["report"] or LATEST)
    rows = open_in(report)
    if given["finding"] == ALL_CRITICAL:
        chosen = [row for row in rows if row.severity == "critical" and _is_curable(row)]
        if not chosen:
            raise Refused(
                "nothing_to_fix",
                f"After report {report.pk} no critical finding stands that comes with a proposal.",
                "Read its findings: each says what to do next.",
            )
    else:
        chosen = [_one(report, rows, each) for each in given["finding"].replace(",", " ").split()]
    return list(dict.fromkeys(Wanted(check=row.check_name, subject=row.subject) for row in chosen))


def _is_curable(row: Finding) -> bool:
    return bool(row.proposals) and not row.failed


def _one(report: Report, rows: Sequence[Finding], fingerprint: str) -> Finding:
    bare = fingerprint.rpartition(":")[2]
    found = [row for row in rows if row.fingerprint.rpartition(":")[2].startswith(bare)] if len(bare) >= 8 else []
    if len(found) != 1:
        raise Usage(
            "unknown_finding",
            f"After report {report.pk} no finding {fingerprint} stands.",
            "Use the fingerprint that stands beside the finding, or at least its first 8 digits.",
        )
    return found[0]


def _by_name(names: str, rules: Sequence[Spec]) -> list[Wanted]:
    counted = [spec for spec in rules if spec.health]
    known = sorted({spec.health for spec in counted})
    if names == CLEANUP:
        asked = cleanup_of(_on(rules))
    elif names == ALL:
        asked = sorted({spec.health for spec in _on(counted) if is_curable(spec)})
    else:
        asked = list(dict.fromkeys(names.replace(",", " ").split()))
    if unknown := [name for name in asked if name not in known]:
        raise Usage(
            "unknown_name",
            f"The health answer of this database has no {unknown[0]}.",
            f"It has: {', '.join(known) or 'no names, for no rule is marked as health'}.",
        )
    if not asked:
        raise Refused("nothing_to_fix", *_nothing(names, known))
    return [Wanted(check=spec.check) for name in asked for spec in counted if spec.health == name]


def _nothing(names: str, known: Sequence[str]) -> tuple[str, str]:
    if names == CLEANUP:
        return "No pack with a cleanup is loaded here.", "Give names, or load a pack that has one."
    if known:
        why = f"Nothing is proposed for what the health answer counts here ({', '.join(known)})."
        return why, "Edit one of these rules and say what sets it right, or set the rows right by hand."
    return "No rule here is marked as health.", "Give a rule a name of health, or load a pack."
