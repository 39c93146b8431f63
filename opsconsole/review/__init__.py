"""What a SQL text would do: statements, and findings about each. Plain values in and out; no database is touched."""

from opsconsole.review.findings import Finding, Review, Severity, Statement
from opsconsole.review.lexing import Dialect
from opsconsole.review.live import Live, dialect_of, read_live
from opsconsole.review.naming import review_names
from opsconsole.review.reviewing import review
from opsconsole.review.rules import RULES, Rule
from opsconsole.review.splitting import split

__all__ = [
    "RULES", "Dialect", "Finding", "Live", "Review", "Rule", "Severity", "Statement", "dialect_of", "read_live",
    "review", "review_names", "split",
]  # fmt: skip
