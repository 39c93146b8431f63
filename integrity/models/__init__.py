"""The rows of the integrity app."""

from integrity.models.fixes import Fix
from integrity.models.health import HealthSample, HealthWatch
from integrity.models.reports import Finding, Report
from integrity.models.rules import Rule

__all__ = ["Finding", "Fix", "HealthSample", "HealthWatch", "Report", "Rule"]
