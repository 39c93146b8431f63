"""The office of the pages' tests, for reports in it."""

from __future__ import annotations

from tests.opsconsole.pages.conftest import founding, kinds_of_tests, office, queries

__all__ = ["founding", "kinds_of_tests", "office", "queries"]
